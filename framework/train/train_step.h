#pragma once
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "train/batch_buffers.h"
#include "train/config.h"

namespace saltus {

/// The graph of a training step.
struct StepGraph {
  Graph graph;
  std::vector<Var> outputs;  // the mean loss, then each parameter's gradient in the order of the store's specs
};
/// Records the step of `samples` samples of a bucket.
void record_step(StepGraph& step, Experiment& experiment, int samples, int bucket);

/// Loss and gradient of one training batch, computed as a fixed number of shards: each samples its own part, runs its own plan and
/// fills its own gradient block. The shards are the same whatever the number of threads, and so is the result.
class TrainStep {
 public:
  TrainStep(Experiment& experiment, const TrainConfig& config, ThreadPool& pool);

  /// Mean loss of the batch of `step`. Throws Error (diverged) naming step, op and scope of the first value that is not finite.
  double run(std::int64_t step);
  /// The shards' gradient blocks after run(), in their order; the batch's mean gradient is their sum times scale().
  std::span<const float* const> gradients() const { return gradient_parts_; }
  double scale() const { return 1 / static_cast<double>(shards_.size()); }
  /// The optimizer's update with these gradients, cut over the pool's threads. Throws as run() does when they are not finite.
  Optimizer::StepResult update(Optimizer& optimizer, std::int64_t step, std::int64_t total);
  /// Throws Error (diverged) as run() does, after run(step) whose gradients are not finite.
  [[noreturn]] void report_divergence(std::int64_t step) const;
  /// A shard's plan for the bucket of `step`, for listings.
  const Plan& plan(std::int64_t step, std::size_t shard = 0) const { return shards_[shard].parts[bucket(step)].plan; }

 private:
  struct Part {
    Plan plan;
    BatchBuffers buffers;
  };
  struct Shard {
    AlignedBlock gradient;
    int first;               // sample
    std::deque<Part> parts;  // one a bucket of the task
  };

  void compile(int bucket, int size);
  void for_each_shard(const std::function<void(Shard&)>& f);
  std::size_t bucket(std::int64_t step) const { return static_cast<std::size_t>(experiment_.task->train_bucket(step)); }

  Experiment& experiment_;
  ThreadPool& pool_;
  std::deque<Shard> shards_;
  bool on_one_thread_ = false;  // shards so small that waking others would cost more than it brings
  std::vector<const float*> gradient_parts_;
};

}  // namespace saltus
