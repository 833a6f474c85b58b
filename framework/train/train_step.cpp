#include "train/train_step.h"

#include <fmt/format.h>

#include <cmath>

#include "autodiff/grad.h"
#include "core/check.h"

namespace saltus {
namespace {

// To wake a thread and wait for it takes some 20 microseconds: as long as so many operations of a small model, or the update of so many
// parameters.
constexpr double operations_worth_a_thread = 1.3e6;
constexpr std::int64_t parameters_worth_a_thread = 50'000;

std::vector<Plan::Output> destinations(const StepGraph& step, const ParamStore& params, float* gradient) {
  std::vector<Plan::Output> outputs = {{step.outputs[0]}};
  for (const ParamSpec& spec : params.specs()) outputs.push_back({step.outputs[outputs.size()], params.in_block(spec.name, gradient)});
  return outputs;
}

}  // namespace

void record_step(StepGraph& step, Experiment& experiment, int samples, int bucket) {
  const Var loss = experiment.record(step.graph, experiment.params, {samples, Purpose::train, bucket});
  std::vector<Var> params;
  for (const ParamSpec& spec : experiment.params.specs()) params.push_back(step.graph.param(spec.name, spec.shape));
  step.outputs = grad(loss, params);
  step.outputs.insert(step.outputs.begin(), loss);
}

TrainStep::TrainStep(Experiment& experiment, const TrainConfig& config, ThreadPool& pool) : experiment_(experiment), pool_(pool) {
  const auto size = static_cast<int>(config.batch_size / config.shards);
  for (int i = 0; i < config.shards; ++i) {
    shards_.push_back({AlignedBlock(static_cast<std::size_t>(experiment.params.block_size()) * sizeof(float)), i * size, {}});
    gradient_parts_.push_back(shards_.back().gradient.floats());
  }
  // The last bucket's arrays are the largest; one runs at a time, so the others use its memory.
  for (int b = experiment.task->buckets(); b-- > 0;) compile(b, size);
  double operations = 0;
  for (const Instruction& i : plan(0).instructions()) operations += i.flops;
  on_one_thread_ = operations < operations_worth_a_thread;
}

void TrainStep::for_each_shard(const std::function<void(Shard&)>& f) {
  if (on_one_thread_) {
    for (Shard& shard : shards_) f(shard);
    return;
  }
  pool_.run(static_cast<int>(shards_.size()), [&](int i, int) { f(shards_[static_cast<std::size_t>(i)]); });
}

void TrainStep::compile(int bucket, int size) {
  StepGraph step;
  record_step(step, experiment_, size, bucket);
  ParamStore& store = experiment_.params;
  for (Shard& shard : shards_) {
    Plan plan(step.graph, destinations(step, store, shard.gradient.floats()),
              [&store](const std::string& name, const Shape&) { return store.view(name).data(); },
              shard.parts.empty() ? nullptr : shard.parts.back().plan.scratch());
    BatchBuffers buffers(experiment_.task->bucket_fields(bucket), size, plan);
    shard.parts.push_front({std::move(plan), std::move(buffers)});
  }
}

double TrainStep::run(std::int64_t step) {
  const std::size_t b = bucket(step);
  for_each_shard([this, step, b](Shard& shard) {
    Part& part = shard.parts[b];
    experiment_.task->sample_train(step, shard.first, part.buffers.batch());
    part.plan.run();
  });
  double loss = 0;
  for (const Shard& shard : shards_) loss += *shard.parts[b].plan.output(0);
  if (!std::isfinite(loss)) report_divergence(step);
  return loss * scale();
}

void TrainStep::report_divergence(std::int64_t step) const {
  std::string cause = "the sum of the shards' gradients is not finite";
  for (const Shard& shard : shards_) {
    if (const std::string found = shard.parts[bucket(step)].plan.first_nonfinite(); !found.empty()) {
      cause = found;
      break;
    }
  }
  throw Error(fmt::format("training diverged at step {}: {}", step, cause), ExitCode::diverged);
}

Optimizer::StepResult TrainStep::update(Optimizer& optimizer, std::int64_t step, std::int64_t total) {
  const auto for_ranges = [this](std::size_t n, const Optimizer::Range& f) {
    if (experiment_.params.block_size() < parameters_worth_a_thread) return f(0, n);
    const auto parts = static_cast<std::size_t>(pool_.threads());
    pool_.run(pool_.threads(), [&](int i, int) { f(n * static_cast<std::size_t>(i) / parts, n * static_cast<std::size_t>(i + 1) / parts); });
  };
  const Optimizer::StepResult result = optimizer.step(step, total, experiment_.params.values(), gradient_parts_, scale(), for_ranges);
  if (!std::isfinite(result.grad_norm)) report_divergence(step);
  return result;
}

}  // namespace saltus
