#pragma once
#include "cli/bench_step.h"

namespace saltus::cli {

/// What a training step needs at least: operations, and bytes that each pass once.
struct Floor {
  bool counted = false;        // by the system's own formula; else flops are the plan's and what is kept is not known
  double flops = 0;            // the update's included
  double parameter_bytes = 0;  // parameters and the optimizer's state, read and written
  double example_bytes = 0;    // written and read
  double kept_bytes = 0;       // of the forward pass for the gradient, written and read
  double bytes() const { return parameter_bytes + example_bytes + kept_bytes; }
};

/// Mean over the steps that were timed, which may be of unlike buckets.
Floor floor_of(Bench& bench, const TrainConfig& config);
/// Operations of the plans' own count, all shards: the same mean.
double plan_flops(const Bench& bench, const TrainConfig& config);

/// What this machine can do, a thread. kernels/peaks.h.
struct Peaks {
  double multiply_add, product;  // operations a second
  double memory, second_level,
      step;  // bytes a second, copying more than caches hold, half of the second-level cache, the floor's bytes
};
Peaks measure_peaks(const Floor& floor);

/// The floor's time on `threads` such threads, and what it consists of.
struct FloorTime {
  double compute_ms, bytes_ms;
  double ms() const { return compute_ms > bytes_ms ? compute_ms : bytes_ms; }
  const char* bound_by() const { return compute_ms > bytes_ms ? "operations" : "bytes"; }
};
FloorTime time_of(const Floor& floor, const Peaks& peaks, int threads);

}  // namespace saltus::cli
