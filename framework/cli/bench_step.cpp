#include "cli/bench_step.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace saltus::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int warm_up_steps = 20;  // caches, clock and allocator
constexpr int split_repetitions = 100;

bool dearer(const Cost& a, const Cost& b) { return a.ms > b.ms; }

/// One entry an op, out of one an instruction. `times` [instruction][repetition].
std::vector<Cost> by_op(const std::vector<Cost>& instructions, const std::vector<std::vector<double>>& times) {
  std::vector<Cost> ops;
  std::vector<std::vector<double>> sums;  // [op][repetition]
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    const Cost& ins = instructions[i];
    const auto found = std::find_if(ops.begin(), ops.end(), [&](const Cost& op) { return op.name == ins.name; });
    const auto at = static_cast<std::size_t>(found - ops.begin());
    if (found == ops.end()) {
      ops.push_back({.name = ins.name, .operands = {}, .scope = {}});
      sums.emplace_back(times[i].size());
    }
    ops[at].calls += ins.calls;
    ops[at].flops += ins.flops;
    ops[at].bytes += ins.bytes;
    for (std::size_t r = 0; r < times[i].size(); ++r) sums[at][r] += times[i][r];
  }
  for (std::size_t i = 0; i < ops.size(); ++i) ops[i].ms = median(sums[i]);
  return ops;
}

}  // namespace

double median(std::vector<double> v) {
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

const char* name_of(const Instruction& instruction) { return instruction.op ? instruction.op->name : "copy"; }

std::string operands_of(const Instruction& instruction) {
  std::string text;
  for (const Operand& in : instruction.in) text += (text.empty() ? "" : " x ") + in.shape->str();
  return text + (text.empty() ? "-> " : " -> ") + instruction.out.shape->str();
}

Bench::Bench(const TrainConfig& config, int threads)
    : config_(config),
      pool_(static_cast<int>(std::min<std::int64_t>(threads, config.shards))),
      experiment_(build_experiment(config)),
      train_step_(*experiment_, config, pool_),
      optimizer_(config.optimizer, static_cast<std::size_t>(experiment_->params.block_size())) {}

void Bench::step() {
  train_step_.run(step_);
  update();
}

void Bench::update() {
  train_step_.update(optimizer_, step_, config_.steps);
  ++step_;
}

std::int64_t Bench::first_timed() const { return warm_up_steps; }

std::vector<double> Bench::time(int rounds, int steps) {
  for (int i = 0; i < warm_up_steps; ++i) step();
  std::vector<double> ms;
  for (int round = 0; round < rounds; ++round) {
    const double total = milliseconds([&] {
      for (int i = 0; i < steps; ++i) step();
    });
    ms.push_back(total / steps);
  }
  return ms;
}

std::vector<BatchBuffers> Bench::buffers(std::size_t shards) const {
  const Task& task = *experiment_->task;
  std::vector<BatchBuffers> all;
  for (std::size_t i = 0; i < shards; ++i) {
    all.emplace_back(task.bucket_fields(task.train_bucket(step_)),
                     static_cast<int>(config_.batch_size / config_.shards), train_step_.plan(step_, i));
  }
  return all;
}

Split Bench::split() {
  const auto shards = static_cast<int>(config_.shards);
  const std::int64_t step = step_;
  const std::span<const Instruction> instructions = train_step_.plan(step).instructions();
  const std::vector<BatchBuffers> batch = buffers(1);
  Split split;
  for (const Instruction& ins : instructions) {
    split.instructions.push_back(
        {name_of(ins), operands_of(ins), ins.scope, shards, shards * ins.flops, shards * ins.bytes});
  }
  std::vector<double> sampling, plan, updates;
  std::vector<std::vector<double>> times(instructions.size());
  for (int i = 0; i < split_repetitions; ++i) {
    sampling.push_back(shards * milliseconds([&] { experiment_->task->sample_train(step, 0, batch[0].batch()); }));
    double sum = 0;
    for (std::size_t n = 0; n < instructions.size(); ++n) {
      const Instruction& ins = instructions[n];
      times[n].push_back(shards * milliseconds([&] { ins.kernel({ins.in, ins.out, ins.attrs}); }));
      sum += times[n].back();
    }
    plan.push_back(sum);
    train_step_.run(step_);
    updates.push_back(milliseconds([&] { update(); }));
  }
  for (std::size_t n = 0; n < times.size(); ++n) split.instructions[n].ms = median(times[n]);
  split.sampling = median(sampling), split.plan = median(plan), split.update = median(updates);
  split.ops = by_op(split.instructions, times);
  std::sort(split.ops.begin(), split.ops.end(), dearer);
  std::stable_sort(split.instructions.begin(), split.instructions.end(), dearer);
  return split;
}

StepTrace Bench::trace() {
  const auto shards = static_cast<std::size_t>(config_.shards);
  const std::vector<BatchBuffers> batches = buffers(shards);
  const auto first = static_cast<int>(config_.batch_size / config_.shards);
  std::vector<std::vector<TraceEvent>> lanes(shards);
  const auto start = Clock::now();
  const auto now = [start] { return std::chrono::duration<double, std::micro>(Clock::now() - start).count(); };
  for (std::size_t i = 0; i < shards; ++i) lanes[i].reserve(train_step_.plan(step_, i).instructions().size() + 1);
  pool_.run(static_cast<int>(shards), [&](int i, int) {
    const auto shard = static_cast<std::size_t>(i);
    double begin = now();
    const auto done = [&](const Instruction* ins) {
      const double end = now();
      lanes[shard].push_back({ins, i, begin, end});
      begin = now();
    };
    experiment_->task->sample_train(step_, i * first, batches[shard].batch());
    done(nullptr);
    for (const Instruction& ins : train_step_.plan(step_, shard).instructions()) {
      ins.kernel({ins.in, ins.out, ins.attrs});
      done(&ins);
    }
  });
  StepTrace trace{{}, now(), 0};
  update();
  trace.update_end_us = now();
  for (const std::vector<TraceEvent>& lane : lanes) trace.events.insert(trace.events.end(), lane.begin(), lane.end());
  return trace;
}

}  // namespace saltus::cli
