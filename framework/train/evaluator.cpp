#include "train/evaluator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/check.h"

namespace saltus {
namespace {

constexpr int chunk_size = 128;

std::size_t numbers_of(const Probe& probe) {
  int n = 0;
  for (const Measure& m : probe.measures()) n += probe.size(m);
  return static_cast<std::size_t>(n);
}

}  // namespace

int eval_set_index(const Task& task, const std::string& name) {
  const std::vector<std::string> sets = task.eval_sets();
  const auto found = std::find(sets.begin(), sets.end(), name);
  check_input(found != sets.end(), "there is no test set '{}'; this task has {}", name, fmt::join(sets, ", "));
  return static_cast<int>(found - sets.begin());
}

TapValue Evaluator::Forward::tap(const std::string& name) const {
  const auto at = static_cast<std::size_t>(std::find(taps.begin(), taps.end(), name) - taps.begin());
  check(at < taps.size(), "a probe reads the tap '{}' that it did not ask for", name);
  return {plan.output(at), shapes[at]};
}

Evaluator::Evaluator(Experiment& experiment, std::int64_t samples, ThreadPool& pool)
    : experiment_(experiment), pool_(pool), progress_set_(eval_set_index(*experiment.task, experiment.progress_set)), samples_(samples),
      forwards_(static_cast<std::size_t>(pool.threads())), eval_size_(numbers_of(*experiment.eval)), progress_size_(numbers_of(*experiment.progress)) {
  const int sets = static_cast<int>(experiment.task->eval_sets().size());
  for (int set = 0; set < sets; ++set) {
    for (int first = 0; first < samples; first += chunk_size) {
      chunks_.push_back({set, first, std::min(chunk_size, static_cast<int>(samples) - first)});
    }
  }
  for (auto& forwards : forwards_) {
    for (const Chunk& chunk : chunks_) {
      auto& forward = forwards[{chunk.size, chunk.set == progress_set_}];
      if (!forward) forward = compile(chunk.size, chunk.set == progress_set_);
    }
  }
}

std::unique_ptr<Evaluator::Forward> Evaluator::compile(int batch, bool with_progress) {
  Graph graph;
  experiment_.record(graph, experiment_.params, batch, with_progress ? Purpose::measure : Purpose::train);
  std::vector<std::string> taps = experiment_.eval->taps();
  if (with_progress) {
    for (const std::string& name : experiment_.progress->taps()) {
      if (std::find(taps.begin(), taps.end(), name) == taps.end()) taps.push_back(name);
    }
  }
  std::vector<Plan::Output> outputs;
  std::vector<Shape> shapes;
  for (const std::string& name : taps) {
    outputs.push_back({graph.tapped(name)});
    shapes.push_back(graph.tapped(name).shape());
  }
  Plan plan(graph, outputs, [this](const std::string& name, const Shape&) { return experiment_.params.view(name).data(); });
  BatchBuffers buffers(experiment_.task->fields(), batch, plan);
  return std::make_unique<Forward>(Forward{std::move(plan), std::move(buffers), std::move(taps), std::move(shapes)});
}

void Evaluator::run_chunk(const Chunk& chunk, int thread, std::span<double> eval_sums, std::span<double> progress_sums) {
  const bool with_progress = chunk.set == progress_set_;
  Forward& forward = *forwards_[static_cast<std::size_t>(thread)].at({chunk.size, with_progress});
  experiment_.task->sample_eval(chunk.set, chunk.first, forward.buffers.batch());
  forward.plan.run();
  const auto tap = [&forward](const std::string& name) { return forward.tap(name); };
  experiment_.eval->accumulate(forward.buffers.batch(), tap, eval_sums);
  if (with_progress) experiment_.progress->accumulate(forward.buffers.batch(), tap, progress_sums);
}

Evaluator::Result Evaluator::run() {
  std::vector<std::vector<double>> eval_sums(chunks_.size(), std::vector<double>(eval_size_));
  std::vector<std::vector<double>> progress_sums(chunks_.size(), std::vector<double>(progress_size_));
  pool_.run(static_cast<int>(chunks_.size()), [&](int i, int thread) {
    const auto at = static_cast<std::size_t>(i);
    run_chunk(chunks_[at], thread, eval_sums[at], progress_sums[at]);
  });
  const auto add_mean = [this](const std::vector<double>& sums, std::vector<double>& to) {
    for (std::size_t m = 0; m < sums.size(); ++m) to[m] += sums[m] / static_cast<double>(samples_);
  };
  Result result;
  result.eval.assign(static_cast<std::size_t>(chunks_.back().set + 1), std::vector<double>(eval_size_));
  result.progress.resize(progress_size_);
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    add_mean(eval_sums[i], result.eval[static_cast<std::size_t>(chunks_[i].set)]);
    add_mean(progress_sums[i], result.progress);
  }
  return result;
}

}  // namespace saltus
