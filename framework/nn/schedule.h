#pragma once
#include "config/fields.h"

namespace saltus {

/// How the learning rate changes: a factor on `optimizer.learning_rate`.
struct Schedule {
  std::string kind = "constant";
  std::int64_t warmup_steps = 0;
  double final_fraction = 0;              // cosine
  std::vector<std::int64_t> milestones;   // step
  double factor = 0.1;                    // step

  void fields(Fields& f);
  /// The factor at `step` (0-based) of a run of `total` steps. Warm-up is linear, (step + 1) / warmup_steps, and comes first for
  /// every kind; cosine goes from 1 after warm-up to final_fraction at the last step; step multiplies by `factor` from each
  /// milestone on.
  double at(std::int64_t step, std::int64_t total) const;
};

}  // namespace saltus
