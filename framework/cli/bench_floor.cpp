#include "cli/bench_floor.h"

#include <algorithm>

#include "kernels/peaks.h"

namespace saltus::cli {
namespace {

/// The mean of f(step) over the timed steps; f is asked once a bucket.
template <class F>
double mean_over_steps(const Bench& bench, const F& f) {
  const Task& task = *bench.experiment().task;
  std::vector<double> steps(static_cast<std::size_t>(task.buckets()));
  std::vector<std::int64_t> one(steps.size());
  const std::int64_t first = bench.first_timed(), end = std::max(first + 1, bench.steps_taken());
  for (std::int64_t step = first; step < end; ++step) {
    const auto bucket = static_cast<std::size_t>(task.train_bucket(step));
    ++steps[bucket];
    one[bucket] = step;
  }
  double sum = 0;
  for (std::size_t b = 0; b < steps.size(); ++b) {
    if (steps[b] > 0) sum += steps[b] * f(one[b]);
  }
  return sum / static_cast<double>(end - first);
}

/// Of a parameter: nn/optimizer.h's formulas, corrections of the bias left out.
double update_flops(const OptimizerConfig& config) {
  const double gradient = (config.weight_decay > 0 ? 2 : 0) + (config.clip_norm ? 3 : 0);
  if (config.kind == "sgd") return gradient + (config.decay > 0 ? 3 : 2);
  if (config.kind == "momentum") return gradient + (config.decay > 0 ? 5 : 4);
  return gradient + 11;
}

double field_bytes(const Task& task, std::int64_t step) {
  double bytes = 0;
  for (const SampleField& field : task.bucket_fields(task.train_bucket(step)))
    bytes += 4 * static_cast<double>(field.shape.size());
  return bytes;
}

}  // namespace

double plan_flops(const Bench& bench, const TrainConfig& config) {
  return mean_over_steps(bench, [&](std::int64_t step) {
    double sum = 0;
    for (const Instruction& ins : bench.plan(step).instructions()) sum += ins.flops;
    return sum * static_cast<double>(config.shards);
  });
}

Floor floor_of(Bench& bench, const TrainConfig& config) {
  const Experiment& e = bench.experiment();
  const auto parameters = static_cast<double>(e.params.count());
  const double passes = 2 * 4;  // one way and the other, of 4 bytes
  Floor floor;
  floor.counted = e.work != nullptr;
  floor.flops = parameters * update_flops(config.optimizer);
  floor.parameter_bytes = passes * parameters * static_cast<double>(1 + bench.optimizer_state_blocks());
  if (!floor.counted) {
    floor.flops += plan_flops(bench, config);
    floor.example_bytes = 2 * static_cast<double>(config.batch_size) *
                          mean_over_steps(bench, [&](std::int64_t step) { return field_bytes(*e.task, step); });
    return floor;
  }
  const auto mean_of = [&](double Work::*part) {
    return mean_over_steps(bench, [&](std::int64_t step) {
      return e.work({config.batch_size, Purpose::train, e.task->train_bucket(step)}).*part;
    });
  };
  floor.flops += mean_of(&Work::flops);
  floor.example_bytes = passes * mean_of(&Work::example_floats);
  floor.kept_bytes = passes * mean_of(&Work::kept_floats);
  return floor;
}

Peaks measure_peaks(const Floor& floor) {
  constexpr double largest = std::size_t{1} << 25;  // an array of 32 MiB, as the one that it is copied to
  // What is written and read once passes half of the bytes each way.
  const double step_array = std::clamp(floor.bytes() / 2, 4096.0, largest);
  return {kernels::multiply_add_peak(), kernels::product_peak(),
          kernels::copy_bandwidth(static_cast<std::size_t>(largest)),
          kernels::copy_bandwidth(kernels::second_level_cache() / 4),
          kernels::copy_bandwidth(static_cast<std::size_t>(step_array))};
}

FloorTime time_of(const Floor& floor, const Peaks& peaks, int threads) {
  return {1e3 * floor.flops / (peaks.multiply_add * threads), 1e3 * floor.bytes() / (peaks.step * threads)};
}

}  // namespace saltus::cli
