#pragma once
#include "study/study.h"
#include "train/system.h"

namespace saltus {

/// Every study that a config can name, likewise.
StudyTable studies();

/// Every system that a config can name. To add one, add its line in registry.cpp.
SystemTable systems();

}  // namespace saltus
