#include "train/step_together.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autodiff/runs.h"
#include "core/check.h"
#include "train/provenance.h"
#include "train/train_step.h"

namespace saltus {
namespace {

int shard_size(const TrainConfig& config) { return static_cast<int>(config.batch_size / config.shards); }

// Measured: below so many operations a kernel call, most of a step is what surrounds them; and what runs keep between
// forward and backward should stay in the second-level cache.
constexpr double operations_of_a_small_call = 30'000;
constexpr std::size_t cache_bytes = 1 << 20;
constexpr int most_at_once = 8;

/// All that must be equal of steps that are taken together; empty for one that can be taken alone only.
std::string text_of(const StepGraph& step, const GroupMember& run) {
  const std::string graph = structure(step.graph);
  if (graph.empty()) return "";
  std::string text = fmt::format("{} shards of {}\n", run.config->shards, shard_size(*run.config));
  for (const Var v : step.outputs) text += fmt::format("{} ", v.id);
  for (const ParamSpec& spec : run.experiment->params.specs())
    text += fmt::format("\n{} {} at {}", spec.name, spec.shape, spec.offset);
  return text + "\n" + graph;
}

}  // namespace

StepKind step_kind(const GroupMember& run) {
  if (run.experiment->task->buckets() != 1) return {};
  StepGraph step;
  record_step(step, *run.experiment, shard_size(*run.config), 0);
  const std::string text = text_of(step, run);
  if (text.empty()) return {};
  const std::vector<Plan::Output> outputs(step.outputs.begin(), step.outputs.end());
  ParamStore& params = run.experiment->params;
  const Plan plan(step.graph, outputs,
                  [&params](const std::string& name, const Shape&) { return params.view(name).data(); });
  double operations = 0;
  for (const Instruction& i : plan.instructions()) operations += i.flops;
  const bool small = operations < operations_of_a_small_call * static_cast<double>(plan.instructions().size());
  const auto fit = static_cast<int>(cache_bytes / (plan.arena_bytes() + 1));
  return {text_sha256(text).substr(0, 16), small ? std::clamp(fit, 1, most_at_once) : 1};
}

StepTogether::StepTogether(std::vector<GroupMember> runs, ThreadPool& pool)
    : runs_(std::move(runs)),
      pool_(pool),
      parameters_(n_runs() * static_cast<std::size_t>(layout().block_size()) * sizeof(float)),
      losses_(n_runs()) {
  const TrainConfig& config = *runs_[0].config;
  const auto block = static_cast<std::size_t>(layout().block_size()) * sizeof(float);
  for (int i = 0; i < config.shards; ++i) {
    Shard& shard = shards_.emplace_back(Shard{i * shard_size(config), AlignedBlock(n_runs() * block), {}, {}, {}});
    for (std::size_t r = 0; r < n_runs(); ++r) shard.gradient.emplace_back(block);
  }
  compile();
}

float* StepTogether::in_group(const AlignedBlock& block, const ParamSpec& spec, std::size_t run) const {
  return block.floats() + spec.offset * static_cast<std::int64_t>(n_runs()) +
         static_cast<std::int64_t>(run) * spec.shape.size();
}

void StepTogether::compile() {
  const int samples = shard_size(*runs_[0].config);
  std::deque<StepGraph> steps(n_runs());
  std::vector<const Graph*> graphs;
  for (std::size_t r = 0; r < n_runs(); ++r) {
    record_step(steps[r], *runs_[r].experiment, samples, 0);
    graphs.push_back(&steps[r].graph);
    check(text_of(steps[r], runs_[r]) == text_of(steps[0], runs_[0]),
          "only runs of one kind of step can be trained together");
  }
  Graph together;
  const std::vector<Var> outputs = over_runs(together, graphs, steps[0].outputs);
  for (Shard& shard : shards_) {
    std::vector<Plan::Output> destinations = {{outputs[0]}};
    for (const ParamSpec& spec : layout().specs())
      destinations.push_back({outputs[destinations.size()], in_group(shard.together, spec)});
    const auto parameter = [this](const std::string& name, const Shape&) {
      return in_group(parameters_, layout().spec(name));
    };
    shard.plan.emplace_back(together, destinations, parameter);
    for (std::size_t r = 0; r < n_runs(); ++r)
      shard.buffers.emplace_back(runs_[r].experiment->task->bucket_fields(0), samples, shard.plan[0], r);
  }
}

void StepTogether::gather_parameters() {
  for (std::size_t r = 0; r < n_runs(); ++r) {
    const ParamStore& own = runs_[r].experiment->params;
    for (const ParamSpec& spec : layout().specs())
      std::copy_n(own.values() + spec.offset, spec.shape.size(), in_group(parameters_, spec, r));
  }
}

void StepTogether::scatter_gradients(Shard& shard) {
  for (std::size_t r = 0; r < n_runs(); ++r) {
    for (const ParamSpec& spec : layout().specs())
      std::copy_n(in_group(shard.together, spec, r), spec.shape.size(), shard.gradient[r].floats() + spec.offset);
  }
}

void StepTogether::run(std::span<const std::int64_t> steps) {
  gather_parameters();
  pool_.run(static_cast<int>(shards_.size()), [this, steps](int i, int) {
    Shard& shard = shards_[static_cast<std::size_t>(i)];
    for (std::size_t r = 0; r < n_runs(); ++r)
      runs_[r].experiment->task->sample_train(steps[r], shard.first, shard.buffers[r].batch());
    shard.plan[0].run();
    scatter_gradients(shard);
  });
  for (std::size_t r = 0; r < n_runs(); ++r) {
    double sum = 0;
    for (const Shard& shard : shards_) sum += shard.plan[0].output(0)[r];
    losses_[r] = sum * (1 / static_cast<double>(shards_.size()));
  }
}

Optimizer::StepResult StepTogether::update(std::size_t run, Optimizer& optimizer, std::int64_t step) {
  if (!std::isfinite(losses_[run])) report_divergence(run, step);
  std::vector<const float*> parts;
  for (const Shard& shard : shards_) parts.push_back(shard.gradient[run].floats());
  const auto whole = [](std::size_t n, const Optimizer::Range& f) { f(0, n); };
  const Optimizer::StepResult result =
      optimizer.step(step, runs_[run].config->steps, runs_[run].experiment->params.values(), parts,
                     1 / static_cast<double>(shards_.size()), whole);
  if (!std::isfinite(result.grad_norm)) report_divergence(run, step);
  return result;
}

void StepTogether::report_divergence(std::size_t run, std::int64_t step) const {
  TrainStep alone(*runs_[run].experiment, *runs_[run].config, pool_);
  alone.run(step);  // throws where the loss is not finite
  alone.report_divergence(step);
}

}  // namespace saltus
