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
  for (const StoredWeight& weight : stored_weights(params)) {
    const std::vector<double> values = run.row("weights", weight.name, row);
    std::size_t expected = 0;
    for (const std::string& name : weight.params) expected += params.view(name).size();
    check_input(values.size() == expected, "{}: {} holds {} numbers, and the model of this config has {}", run.path(),
                weight.name, values.size(), expected);
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
