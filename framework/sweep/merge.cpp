#include "sweep/merge.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "core/check.h"

namespace saltus {
namespace {

void merge_dim(std::vector<Dim>& dims, const Dim& dim, const std::string& where) {
  const auto known = std::find_if(dims.begin(), dims.end(), [&dim](const Dim& d) { return d.name == dim.name; });
  if (known == dims.end()) {
    dims.push_back(dim);
    return;
  }
  check(known->labels.empty() == dim.labels.empty(), "{}: {} has labels in some runs and numbers in others", where,
        dim.name);
  for (const std::string& label : dim.labels) {
    if (std::find(known->labels.begin(), known->labels.end(), label) == known->labels.end())
      known->labels.push_back(label);
  }
  known->size = dim.labels.empty() ? std::max(known->size, dim.size) : static_cast<std::int64_t>(known->labels.size());
}

void merge_variable(std::vector<Variable>& variables, const Variable& variable, const std::string& where) {
  const auto known = std::find_if(variables.begin(), variables.end(),
                                  [&variable](const Variable& v) { return v.name == variable.name; });
  if (known == variables.end()) {
    variables.push_back(variable);
    return;
  }
  check(known->dims == variable.dims, "{}: {} is measured along [{}], and along [{}] in other runs", where,
        variable.name, fmt::join(variable.dims, ", "), fmt::join(known->dims, ", "));
}

/// Where each index of a run's axis lies in the merged one.
std::vector<std::size_t> places(const Dim& merged, const Dim& own) {
  std::vector<std::size_t> at(static_cast<std::size_t>(own.size));
  for (std::size_t i = 0; i < at.size(); ++i) {
    at[i] = own.labels.empty()
                ? i
                : static_cast<std::size_t>(std::ranges::find(merged.labels, own.labels[i]) - merged.labels.begin());
  }
  return at;
}

}  // namespace

void merge(MergedTable& merged, const Table& table, std::span<const std::int64_t> steps, const std::string& run) {
  const std::string where = run + ": " + table.group;
  if (merged.table.variables.empty()) {
    merged = {table, {steps.begin(), steps.end()}};
    return;
  }
  check(merged.table.growing == table.growing, "{} grows along {}, and along {} in other runs", where, table.growing,
        merged.table.growing);
  for (const Dim& dim : table.dims) merge_dim(merged.table.dims, dim, where);
  for (const Variable& variable : table.variables) merge_variable(merged.table.variables, variable, where);
  if (std::ranges::equal(merged.steps, steps)) return;
  std::vector<std::int64_t> all;
  std::ranges::set_union(merged.steps, steps, std::back_inserter(all));
  merged.steps = std::move(all);
}

std::vector<double> spread(const MergedTable& merged, const Variable& variable, const Table& table,
                           std::span<const std::int64_t> steps, std::span<const double> values) {
  // Offsets in the merged array, axis by axis: of each step, then of each combination of step and index.
  std::vector<std::size_t> offsets(steps.size());
  for (std::size_t i = 0; i < steps.size(); ++i) {
    offsets[i] = static_cast<std::size_t>(std::ranges::lower_bound(merged.steps, steps[i]) - merged.steps.begin());
  }
  std::size_t size = merged.steps.size();
  for (const std::string& name : variable.dims) {
    const Dim& dim = dim_of(merged.table, name);
    const std::vector<std::size_t> at = places(dim, dim_of(table, name));
    std::vector<std::size_t> finer;
    finer.reserve(offsets.size() * at.size());
    for (const std::size_t offset : offsets) {
      for (const std::size_t place : at) finer.push_back(offset * static_cast<std::size_t>(dim.size) + place);
    }
    offsets = std::move(finer);
    size *= static_cast<std::size_t>(dim.size);
  }
  std::vector<double> all(size, std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < values.size(); ++i) all[offsets[i]] = values[i];
  return all;
}

}  // namespace saltus
