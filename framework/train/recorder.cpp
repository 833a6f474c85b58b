#include "train/recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "train/provenance.h"

namespace saltus {
namespace {

std::vector<Plan::Output> probe_outputs(const Graph& graph, const Experiment& e) {
  std::vector<Plan::Output> outputs;
  for (int l = 0; l < e.n_layers; ++l) outputs.push_back({graph.tapped(fmt::format("blocks.{}.attn.pattern", l))});
  outputs.push_back({graph.tapped(e.output.tap)});
  return outputs;
}

PatternSize pattern_size(const Graph& graph, const Experiment& e) {
  if (e.n_layers == 0) return {0, 0};
  const Shape& shape = graph.tapped("blocks.0.attn.pattern").shape();
  return {shape[-2], shape[-1]};
}

Attributes attributes(const RunOptions& options, const TrainConfig& config, const Experiment& e) {
  Attributes all = provenance();
  const std::string yaml = resolved_yaml(config);
  all.push_back({"system", config.system_name});
  all.push_back({"config_yaml", yaml});
  all.push_back({"config_hash", text_sha256(yaml)});
  all.push_back({"seed", config.seed});
  all.push_back({"parameter_count", e.params.count()});
  all.insert(all.end(), e.notes.begin(), e.notes.end());
  all.push_back({"config_source_yaml", options.origin.config_source_yaml});
  all.push_back({"overrides", options.origin.overrides});
  if (!options.origin.resumed.empty()) all.push_back({"resumed", options.origin.resumed});
  all.push_back({"created", options.origin.created});
  return all;
}

}  // namespace

Recorder::ProbePass::ProbePass(const Graph& graph, Experiment& e, std::int64_t probes)
    : plan(graph, probe_outputs(graph, e), [&e](const std::string& name, const Shape&) { return e.params.view(name).data(); }),
      buffers(e.task->fields(), static_cast<int>(probes), plan),
      pattern(pattern_size(graph, e)), output(graph.tapped(e.output.tap).shape()) {
  e.task->sample_eval(eval_set_index(*e.task, e.progress_set), 0, buffers.batch());
}

Recorder::ProbePass Recorder::compile_probes(Experiment& e, std::int64_t probes) {
  Graph graph;
  e.record(graph, e.params, e.whole(probes, Purpose::measure));
  return ProbePass(graph, e, probes);
}

RunFile Recorder::open(const RunOptions& options, const TrainConfig& config, ThreadPool& pool, std::optional<std::int64_t> resume_at) const {
  const Experiment& e = experiment_;
  Layout layout = {train_table(), eval_table(e), progress_table(e), events_table(e), weights_table(e.params),
                   attention_table(e, probes_.buffers.batch(), probes_.pattern, probes_.output)};
  if (e.references || !e.facts.empty()) layout.push_back(references_table(e, config.eval.size, pool));
  const double flush_seconds = config.log.flush_seconds;
  if (resume_at) return RunFile::resume(options.folder, std::move(layout), attributes(options, config, e), *resume_at, flush_seconds);
  return RunFile::create(options.folder, std::move(layout), attributes(options, config, e), flush_seconds);
}

Recorder::Recorder(const RunOptions& options, const TrainConfig& config, Experiment& e, ThreadPool& pool, std::optional<std::int64_t> resume_at)
    : experiment_(e), probes_(compile_probes(e, config.checkpoints.probes)), file_(open(options, config, pool, resume_at)) {}

void Recorder::train_row(std::int64_t step, double loss, double learning_rate, double grad_norm) {
  file_.append("train", step, {loss, learning_rate, grad_norm});
}

void Recorder::evaluation(std::int64_t step, const Evaluator::Result& result) {
  // Result holds [set][measure's numbers]; a row holds each measure over all sets.
  std::vector<std::vector<double>> by_measure;
  std::size_t from = 0;
  for (const Measure& m : experiment_.eval->measures()) {
    std::vector<double>& values = by_measure.emplace_back();
    for (const std::vector<double>& set : result.eval) {
      values.insert(values.end(), set.begin() + static_cast<std::ptrdiff_t>(from), set.begin() + static_cast<std::ptrdiff_t>(from) + m.size());
    }
    from += static_cast<std::size_t>(m.size());
  }
  file_.append("eval", step, std::vector<Values>(by_measure.begin(), by_measure.end()));

  std::vector<Values> progress;
  std::size_t at = 0;
  for (const Measure& m : experiment_.progress->measures()) {
    const auto n = static_cast<std::size_t>(m.size());
    progress.emplace_back(std::span(result.progress).subspan(at, n));
    at += n;
  }
  file_.append("progress", step, progress);
}

void Recorder::snapshot(std::int64_t step) {
  if (has_snapshot(step)) return;
  const std::vector<std::vector<float>> weights = weights_row(experiment_.params);
  file_.append("weights", step, std::vector<Values>(weights.begin(), weights.end()));

  probes_.plan.run();
  const auto layers = static_cast<std::size_t>(experiment_.n_layers);
  std::vector<const float*> patterns;
  for (std::size_t l = 0; l < layers; ++l) patterns.push_back(probes_.plan.output(l));
  const std::int64_t probes = probes_.buffers.batch().size();
  const std::vector<float> pattern = attention_row(experiment_, patterns, probes, probes_.pattern);
  const std::span<const float> outputs(probes_.plan.output(layers), static_cast<std::size_t>(probes_.output.size()));
  if (layers > 0) file_.append("attention", step, {pattern, outputs});
  if (layers == 0) file_.append("attention", step, {outputs});
}

bool Recorder::has_snapshot(std::int64_t step) const {
  const std::vector<std::int64_t>& stored = file_.steps("weights");
  return std::binary_search(stored.begin(), stored.end(), step);
}

void Recorder::event(std::int64_t seen_at, const Jump& jump, const RecentSnapshots& recent) {
  file_.append("events", static_cast<std::int64_t>(file_.steps("events").size()),
               {jump.step, jump.before, jump.after, jump.size(), jump.step_10, jump.step_90, jump.width(), jump.plateau_length,
                static_cast<double>(seen_at)});
  // The weights of earlier evaluations take the parameters' place for as long as it takes to measure and store them.
  const std::span<float> parameters(experiment_.params.values(), static_cast<std::size_t>(experiment_.params.block_size()));
  const std::vector<float> now(parameters.begin(), parameters.end());
  for (const std::int64_t step : recent.steps()) {
    const bool around = static_cast<double>(step) >= jump.step_10 - jump.width() && static_cast<double>(step) <= jump.step_90 + jump.width();
    if (!around || has_snapshot(step)) continue;
    if (recent.load(step, parameters)) snapshot(step);
  }
  std::copy(now.begin(), now.end(), parameters.begin());
}

void Recorder::flush_if_due() {
  file_.maybe_flush(std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count());
}

void Recorder::finish(RunStatus status, double seconds, std::int64_t steps) {
  file_.set_attribute("wall_s", seconds);
  file_.set_attribute("steps_taken", steps);
  file_.finish(status);
}

std::string default_folder(const std::string& config_path, const TrainConfig& config) {
  return fmt::format("runs/{}-{}", std::filesystem::path(config_path).stem().string(), text_sha256(resolved_yaml(config)).substr(0, 8));
}

}  // namespace saltus
