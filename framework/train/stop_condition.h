#pragma once
#include <optional>
#include <string>

#include "train/config.h"
#include "train/evaluator.h"

namespace saltus {

/// Follows `stop_when` over a run's evaluations.
class StopCondition {
 public:
  /// Throws Error (bad_input) when the set or the measure does not exist.
  StopCondition(const std::optional<StopWhen>& when, const Experiment& experiment);
  void observe(const Evaluator::Result& result);
  bool met() const { return when_ && in_a_row_ >= when_->evaluations; }
  /// Evaluations in a row for which the condition has held: all the state there is.
  std::int64_t in_a_row() const { return in_a_row_; }
  void set_in_a_row(std::int64_t n) { in_a_row_ = n; }
  /// "ic accuracy above 0.98 for 3 evaluations"
  std::string str() const;

 private:
  std::optional<StopWhen> when_;
  std::size_t set_ = 0, measure_ = 0;
  std::int64_t in_a_row_ = 0;
};

/// Where the measure of that name, which is a single number, stands among the numbers of Probe::accumulate; throws, listing what there is.
std::size_t measure_index(const Probe& probe, const std::string& name);

}  // namespace saltus
