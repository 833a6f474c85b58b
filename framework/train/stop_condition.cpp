#include "train/stop_condition.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.h"

namespace saltus {

std::size_t measure_index(const Probe& probe, const std::string& name) {
  std::vector<std::string> names;
  std::size_t at = 0;
  for (const Measure& m : probe.measures()) {
    if (m.name == name && m.dims.empty()) return at;
    at += static_cast<std::size_t>(m.size());
    if (m.dims.empty()) names.push_back(m.name);
  }
  throw Error(fmt::format("there is no measure '{}'; this system has {}", name, fmt::join(names, ", ")), ExitCode::bad_input);
}

StopCondition::StopCondition(const std::optional<StopWhen>& when, const Experiment& experiment) : when_(when) {
  if (!when_) return;
  set_ = static_cast<std::size_t>(eval_set_index(*experiment.task, when_->set));
  measure_ = measure_index(*experiment.eval, when_->measure);
}

void StopCondition::observe(const Evaluator::Result& result) {
  if (!when_) return;
  const double value = result.eval[set_][measure_];
  const bool holds = when_->above ? value > *when_->above : value < *when_->below;
  in_a_row_ = holds ? in_a_row_ + 1 : 0;
}

std::string StopCondition::str() const {
  if (!when_) return "";
  return fmt::format("{} {} {} {} for {} evaluation{}", when_->set, when_->measure, when_->above ? "above" : "below",
                     when_->above ? *when_->above : *when_->below, when_->evaluations, when_->evaluations == 1 ? "" : "s");
}

}  // namespace saltus
