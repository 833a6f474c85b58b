#include "train/evaluator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "data/owned_batch.h"

namespace saltus {
namespace {

constexpr int chunk_size = 128;

}  // namespace

std::size_t numbers_of(const Probe& probe) {
  std::int64_t n = 0;
  for (const Measure& m : probe.measures()) n += m.size();
  return static_cast<std::size_t>(n);
}

std::vector<Chunk> chunks_of(const Task& task, std::int64_t samples) {
  std::vector<Chunk> chunks;
  for (int set = 0; set < static_cast<int>(task.eval_sets().size()); ++set) {
    const auto n = static_cast<int>(std::min(samples, task.eval_samples(set)));
    for (int first = 0; first < n; first += chunks.back().size) {
      const int left = n - first;
      // One sample alone has no neighbour, which some models ask for.
      const int size = left == chunk_size + 1 ? chunk_size - 1 : std::min(chunk_size, left);
      chunks.push_back({set, first, size});
    }
  }
  return chunks;
}

SetMeans means_of(std::span<const Chunk> chunks, std::span<const std::vector<double>> sums) {
  const auto sets = static_cast<std::size_t>(chunks.back().set + 1), numbers = sums[0].size();
  SetMeans out{.mean = std::vector(sets, std::vector<double>(numbers)),
               .error = std::vector(sets, std::vector<double>(numbers))};
  std::vector<double> samples(sets), parts(sets);
  for (const Chunk& c : chunks) {
    samples[static_cast<std::size_t>(c.set)] += c.size;
    parts[static_cast<std::size_t>(c.set)] += 1;
  }
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const auto set = static_cast<std::size_t>(chunks[i].set);
    for (std::size_t m = 0; m < numbers; ++m) out.mean[set][m] += sums[i][m] / samples[set];
  }
  // Var(mean) = sum over chunks of (their sum - size * mean)^2 / samples^2, times k / (k - 1) for the mean being an
  // estimate.
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const auto set = static_cast<std::size_t>(chunks[i].set);
    for (std::size_t m = 0; m < numbers; ++m) {
      const double off = (sums[i][m] - chunks[i].size * out.mean[set][m]) / samples[set];
      out.error[set][m] +=
          parts[set] > 1 ? off * off * parts[set] / (parts[set] - 1) : std::numeric_limits<double>::quiet_NaN();
    }
  }
  for (std::vector<double>& errors : out.error) {
    for (double& e : errors) e = std::sqrt(e);
  }
  return out;
}

void set_binomial_errors(SetMeans& means, const Probe& probe, const Task& task, std::span<const Chunk> chunks) {
  std::vector<std::int64_t> samples(means.mean.size());
  for (const Chunk& c : chunks) samples[static_cast<std::size_t>(c.set)] += c.size;
  std::size_t at = 0;
  for (const Measure& m : probe.measures()) {
    const bool counts = m.dims.empty() && (m.name == "accuracy" || m.name.ends_with("_accuracy"));
    for (std::size_t set = 0; counts && set < samples.size(); ++set) {
      if (task.eval_samples(static_cast<int>(set)) == std::numeric_limits<std::int64_t>::max()) continue;
      const double p = means.mean[set][at];
      means.error[set][at] = std::sqrt(p * (1 - p) / static_cast<double>(samples[set]));
    }
    at += static_cast<std::size_t>(m.size());
  }
}

SetMeans reference_means(const Experiment& experiment, std::span<const Chunk> chunks, ThreadPool& pool) {
  const Probe& probe = *experiment.references;
  std::vector<std::vector<double>> sums(chunks.size(), std::vector<double>(numbers_of(probe)));
  pool.run(static_cast<int>(chunks.size()), [&](int i, int) {
    const Chunk& chunk = chunks[static_cast<std::size_t>(i)];
    const OwnedBatch samples(experiment.task->fields(), chunk.size);
    experiment.task->sample_eval(chunk.set, chunk.first, samples.batch());
    const auto no_tap = [](const std::string& name) -> TapValue {
      throw Error("references have no taps, and ask for " + name);
    };
    probe.accumulate(samples.batch(), no_tap, sums[static_cast<std::size_t>(i)]);
  });
  SetMeans means = means_of(chunks, sums);
  set_binomial_errors(means, probe, *experiment.task, chunks);
  return means;
}

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
    : experiment_(experiment),
      pool_(pool),
      progress_set_(eval_set_index(*experiment.task, experiment.progress_set)),
      forwards_(static_cast<std::size_t>(pool.threads())),
      eval_size_(numbers_of(*experiment.eval)),
      progress_size_(numbers_of(*experiment.progress)) {
  chunks_ = chunks_of(*experiment.task, samples);
  for (auto& forwards : forwards_) {
    for (const Chunk& chunk : chunks_) {
      auto& forward = forwards[{chunk.size, chunk.set == progress_set_}];
      if (!forward) forward = compile(chunk.size, chunk.set == progress_set_);
    }
  }
}

std::unique_ptr<Evaluator::Forward> Evaluator::compile(int batch, bool with_progress) {
  Graph graph;
  experiment_.record(graph, experiment_.params, experiment_.whole(batch, with_progress ? Purpose::measure : Purpose::evaluate));
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
  Plan plan(graph, outputs,
            [this](const std::string& name, const Shape&) { return experiment_.params.view(name).data(); });
  BatchBuffers buffers(experiment_.task->fields(), batch, plan);
  return std::make_unique<Forward>(Forward{std::move(plan), std::move(buffers), std::move(taps), std::move(shapes)});
}

void Evaluator::run_chunk(const Chunk& chunk, int thread, std::span<double> eval_sums,
                          std::span<double> progress_sums) {
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
  SetMeans eval = means_of(chunks_, eval_sums);
  set_binomial_errors(eval, *experiment_.eval, *experiment_.task, chunks_);
  return {std::move(eval.mean), std::move(eval.error),
          means_of(chunks_, progress_sums).mean[static_cast<std::size_t>(progress_set_)]};
}

}  // namespace saltus
