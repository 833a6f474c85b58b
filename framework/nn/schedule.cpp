#include "nn/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace saltus {

void Schedule::fields(Fields& f) {
  f.choice("kind", kind, {"constant", "cosine", "step"}, "shape of the learning rate over the run");
  f.field("warmup_steps", warmup_steps, "steps of linear warm-up, before any kind", at_least(0));
  f.field("final_fraction", final_fraction, "cosine: the factor at the last step", between(0, 1));
  f.field("milestones", milestones, "step: the steps from which the rate is multiplied by `factor`, in rising order", at_least(0));
  f.field("factor", factor, "step: what each milestone multiplies the rate by", above(0));
  f.require(std::is_sorted(milestones.begin(), milestones.end()), "milestones", "milestones must be in rising order");
}

double Schedule::at(std::int64_t step, std::int64_t total) const {
  if (step < warmup_steps) return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  if (kind == "cosine") {
    const std::int64_t span = std::max<std::int64_t>(total - 1 - warmup_steps, 1);
    const double progress = std::min(1.0, static_cast<double>(step - warmup_steps) / static_cast<double>(span));
    return final_fraction + (1 - final_fraction) * 0.5 * (1 + std::cos(std::numbers::pi * progress));
  }
  if (kind == "step") {
    const auto passed = std::upper_bound(milestones.begin(), milestones.end(), step) - milestones.begin();
    return std::pow(factor, static_cast<double>(passed));
  }
  return 1;
}

}  // namespace saltus
