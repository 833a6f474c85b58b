#include "train/train_step.h"

#include <fmt/format.h>

#include <cmath>

#include "autodiff/grad.h"
#include "core/check.h"

namespace saltus {
namespace {

std::vector<Plan::Output> outputs_of(Var loss, std::span<const Var> grads, const ParamStore& params, float* gradient) {
  std::vector<Plan::Output> outputs = {{loss}};
  std::size_t i = 0;
  for (const ParamSpec& spec : params.specs()) outputs.push_back({grads[i++], params.in_block(spec.name, gradient)});
  return outputs;
}

}  // namespace

TrainStep::Shard::Shard(const Graph& graph, Var loss, std::span<const Var> grads, Experiment& experiment, int first_sample, int size)
    : gradient(static_cast<std::size_t>(experiment.params.block_size()) * sizeof(float)),
      plan(graph, outputs_of(loss, grads, experiment.params, gradient.floats()),
           [&experiment](const std::string& name, const Shape&) { return experiment.params.view(name).data(); }),
      buffers(experiment.task->fields(), size, plan), first(first_sample) {}

TrainStep::TrainStep(Experiment& experiment, const TrainConfig& config, ThreadPool& pool) : experiment_(experiment), pool_(pool) {
  const auto size = static_cast<int>(config.batch_size / config.shards);
  Graph graph;
  const Var loss = experiment.record(graph, experiment.params, size, Purpose::train);
  std::vector<Var> params;
  for (const ParamSpec& spec : experiment.params.specs()) params.push_back(graph.param(spec.name, spec.shape));
  const std::vector<Var> grads = grad(loss, params);
  for (int i = 0; i < config.shards; ++i) {
    shards_.emplace_back(graph, loss, grads, experiment, i * size, size);
    gradient_parts_.push_back(shards_.back().gradient.floats());
  }
}

double TrainStep::run(std::int64_t step) {
  pool_.run(static_cast<int>(shards_.size()), [this, step](int i, int) {
    Shard& shard = shards_[static_cast<std::size_t>(i)];
    experiment_.task->sample_train(step, shard.first, shard.buffers.batch());
    shard.plan.run();
  });
  double loss = 0;
  for (const Shard& shard : shards_) loss += *shard.plan.output(0);
  if (!std::isfinite(loss)) report_divergence(step);
  return loss * scale();
}

void TrainStep::report_divergence(std::int64_t step) const {
  std::string cause = "the sum of the shards' gradients is not finite";
  for (const Shard& shard : shards_) {
    if (const std::string found = shard.plan.first_nonfinite(); !found.empty()) {
      cause = found;
      break;
    }
  }
  throw Error(fmt::format("training diverged at step {}: {}", step, cause), ExitCode::diverged);
}

Optimizer::StepResult TrainStep::update(Optimizer& optimizer, std::int64_t step, std::int64_t total) {
  const auto for_ranges = [this](std::size_t n, const Optimizer::Range& f) {
    const auto parts = static_cast<std::size_t>(pool_.threads());
    pool_.run(pool_.threads(), [&](int i, int) { f(n * static_cast<std::size_t>(i) / parts, n * static_cast<std::size_t>(i + 1) / parts); });
  };
  const Optimizer::StepResult result = optimizer.step(step, total, experiment_.params.values(), gradient_parts_, scale(), for_ranges);
  if (!std::isfinite(result.grad_norm)) report_divergence(step);
  return result;
}

}  // namespace saltus
