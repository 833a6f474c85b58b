#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "train/layout.h"

namespace saltus {

/// The tables of one group of many runs, laid over each other: every step, label, index and variable that any of them
/// has.
struct MergedTable {
  Table table;
  std::vector<std::int64_t> steps;  // of all runs, sorted
};

/// Adds a run's table. Dimensions grow to the longest, labels are added behind those known. Throws Error, naming `run`,
/// when the run means something else by the same name: a variable along other dimensions, or labels where others have
/// numbers.
void merge(MergedTable& merged, const Table& table, std::span<const std::int64_t> steps, const std::string& run);

/// Values of one run's variable [its steps, its dims] at their places in [merged.steps, the merged dims]; NaN where the
/// run has none.
std::vector<double> spread(const MergedTable& merged, const Variable& variable, const Table& table,
                           std::span<const std::int64_t> steps, std::span<const double> values);

}  // namespace saltus
