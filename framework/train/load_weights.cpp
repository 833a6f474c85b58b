#include "train/load_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/check.h"
#include "train/tables.h"

namespace saltus {
namespace {

std::size_t snapshot_row(const RunReader& run, std::optional<std::int64_t> step,
                         const std::vector<std::int64_t>& steps) {
  check_input(!steps.empty(), "{} holds no snapshot of weights yet", run.path());
  if (!step) return steps.size() - 1;
  const auto found = std::find(steps.begin(), steps.end(), *step);
  check_input(found != steps.end(), "{} has no snapshot of step {}; it has those of {}", run.path(), *step,
              fmt::join(steps, ", "));
  return static_cast<std::size_t>(found - steps.begin());
}

/// [layer,] and the parameter's own axes, as /weights holds it.
std::vector<std::int64_t> shape_of(const StoredWeight& weight, const ParamStore& params, bool stacked) {
  std::vector<std::int64_t> shape;
  if (stacked) shape.push_back(std::ssize(weight.params));
  const Shape& own = params.spec(weight.params[0]).shape;
  for (int axis = 0; axis < own.rank(); ++axis) shape.push_back(own[axis]);
  return shape;
}

std::vector<std::int64_t> shape_of(const Variable& stored, const Table& table) {
  std::vector<std::int64_t> shape;
  for (const std::string& name : stored.dims) shape.push_back(std::ranges::find(table.dims, name, &Dim::name)->size);
  return shape;
}

/// Refuses parameters that are not those of the run, which the run's own config always gives.
void check_same_parameters(const RunReader& run, const ParamStore& params) {
  constexpr auto cause = "the overrides make another model than the one that was trained";
  const Table there = run.table("weights"), here = weights_table(params);
  for (const StoredWeight& weight : stored_weights(params)) {
    const auto found = std::ranges::find(there.variables, weight.name, &Variable::name);
    check_input(found != there.variables.end(), "{}: {}: the run has no parameter {}", run.path(), cause, weight.name);
    const Variable& wanted = *std::ranges::find(here.variables, weight.name, &Variable::name);
    const bool stacked = !wanted.dims.empty() && wanted.dims[0] == "layer";
    const std::vector<std::int64_t> then = shape_of(*found, there), now = shape_of(weight, params, stacked);
    check_input(then == now, "{}: {}: {} was [{}] and is [{}]", run.path(), cause, weight.name, fmt::join(then, ", "),
                fmt::join(now, ", "));
  }
  for (const Variable& stored : there.variables) {
    check_input(std::ranges::find(here.variables, stored.name, &Variable::name) != here.variables.end(),
                "{}: {}: the parameter {} that was trained is not in it", run.path(), cause, stored.name);
  }
}

/// As a message shows it; of a long text, such as a hash, the beginning.
struct Shown {
  std::string operator()(const std::string& text) const { return text.size() > 16 ? text.substr(0, 12) + "..." : text; }
  std::string operator()(std::int64_t number) const { return fmt::format("{}", number); }
  std::string operator()(double number) const { return fmt::format("{}", number); }
  std::string operator()(const std::vector<std::string>& names) const {
    return fmt::format("{}", fmt::join(names, ", "));
  }
};

}  // namespace

void check_same_data(const RunReader& run, const Experiment& experiment) {
  for (const Attribute& now : experiment.notes) {
    if (std::ranges::find(experiment.binding_notes, now.name) == experiment.binding_notes.end()) continue;
    const std::optional<AttributeValue> then = run.attribute(now.name);
    check_input(!then || *then == now.value,
                "{}: its data are not those it was trained on: {} was {} and is {}; bring those back, or train anew",
                run.path(), now.name, std::visit(Shown{}, then.value_or(now.value)), std::visit(Shown{}, now.value));
  }
}

std::int64_t load_weights(const RunReader& run, std::optional<std::int64_t> step, Experiment& experiment) {
  check_same_data(run, experiment);
  ParamStore& params = experiment.params;
  const std::vector<std::int64_t> steps = run.has_group("weights") ? run.steps("weights") : std::vector<std::int64_t>{};
  const std::size_t row = snapshot_row(run, step, steps);
  check_same_parameters(run, params);
  for (const StoredWeight& weight : stored_weights(params)) {
    const std::vector<double> values = run.row("weights", weight.name, row);
    auto from = values.begin();
    for (const std::string& name : weight.params) {
      const std::span<float> view = params.view(name);
      std::transform(from, from + static_cast<std::ptrdiff_t>(view.size()), view.begin(),
                     [](double v) { return static_cast<float>(v); });
      from += static_cast<std::ptrdiff_t>(view.size());
    }
  }
  return steps[row];
}

}  // namespace saltus
