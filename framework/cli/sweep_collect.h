#pragma once
#include "sweep/collect.h"

namespace saltus::cli {

/// What was collected, what is missing, and how to open the file: for people.
void print(const CollectReport& report);

}  // namespace saltus::cli
