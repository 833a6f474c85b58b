#pragma once
#include "train/system.h"

namespace saltus {

/// Every system that a config can name. To add one, add its line in registry.cpp.
SystemTable systems();

}  // namespace saltus
