#include "train/recorder.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "config/writer.h"
#include "train/posix.h"
#include "train/provenance.h"
#include "train/tables.h"

namespace saltus {
namespace {

std::vector<Plan::Output> probe_outputs(const Graph& graph, const Experiment& e) {
  std::vector<Plan::Output> outputs;
  for (int l = 0; l < e.n_layers; ++l) outputs.push_back({graph.tapped(fmt::format("blocks.{}.attn.pattern", l))});
  outputs.push_back({graph.tapped("logits")});
  return outputs;
}

std::string resolved(const TrainConfig& config) {
  TrainConfig copy = config;
  return write_config([&copy](Fields& f) { copy.fields(f); });
}

Attributes attributes(const RunOptions& options, const TrainConfig& config, const Experiment& e) {
  Attributes all = provenance();
  const std::string yaml = resolved(config);
  all.push_back({"system", config.system_name});
  all.push_back({"config_yaml", yaml});
  all.push_back({"config_hash", text_sha256(yaml)});
  all.push_back({"seed", config.seed});
  all.push_back({"parameter_count", e.params.count()});
  all.push_back({"threads", static_cast<std::int64_t>(options.threads)});
  for (const auto& [name, value] : options.provenance) all.push_back({name, value});
  return all;
}

}  // namespace

Recorder::ProbePass::ProbePass(const Graph& graph, Experiment& e, std::int64_t probes)
    : plan(graph, probe_outputs(graph, e), [&e](const std::string& name, const Shape&) { return e.params.view(name).data(); }),
      buffers(e.task->fields(), static_cast<int>(probes), plan),
      n_tokens(graph.tapped("blocks.0.attn.pattern").shape()[-1]),
      n_classes(graph.tapped("logits").shape()[-1]) {
  e.task->sample_eval(eval_set_index(*e.task, e.progress_set), 0, buffers.batch());
}

Recorder::ProbePass Recorder::compile_probes(Experiment& e, std::int64_t probes) {
  Graph graph;
  e.record(graph, e.params, probes, Purpose::measure);
  return ProbePass(graph, e, probes);
}

Recorder::Recorder(const RunOptions& options, const TrainConfig& config, Experiment& e)
    : experiment_(e),
      probes_(compile_probes(e, config.checkpoints.probes)),
      file_(RunFile::create(options.folder,
                            {train_table(), eval_table(e), progress_table(e), weights_table(e.params),
                             attention_table(e, probes_.buffers.batch(), probes_.n_tokens, probes_.n_classes)},
                            attributes(options, config, e), config.log.flush_seconds)) {
  const std::string path = options.folder + "/config.yaml", yaml = resolved(config);
  posix::write_all(posix::open("write", path, O_WRONLY | O_CREAT | O_TRUNC), std::as_bytes(std::span(yaml)), path);
}

void Recorder::train_row(std::int64_t step, double loss, double learning_rate, double grad_norm) {
  file_.append("train", step, {loss, learning_rate, grad_norm});
}

void Recorder::evaluation(std::int64_t step, const Evaluator::Result& result) {
  // Result holds [set][measure]; a row holds each measure over all sets.
  std::vector<std::vector<double>> by_measure(result.eval[0].size());
  for (const std::vector<double>& set : result.eval) {
    for (std::size_t m = 0; m < set.size(); ++m) by_measure[m].push_back(set[m]);
  }
  file_.append("eval", step, std::vector<Values>(by_measure.begin(), by_measure.end()));

  std::vector<Values> progress;
  std::size_t at = 0;
  for (const Measure& m : experiment_.progress->measures()) {
    const auto n = static_cast<std::size_t>(experiment_.progress->size(m));
    progress.emplace_back(std::span(result.progress).subspan(at, n));
    at += n;
  }
  file_.append("progress", step, progress);
}

void Recorder::snapshot(std::int64_t step) {
  const std::vector<std::vector<float>> weights = weights_row(experiment_.params);
  file_.append("weights", step, std::vector<Values>(weights.begin(), weights.end()));

  probes_.plan.run();
  const auto layers = static_cast<std::size_t>(experiment_.n_layers);
  std::vector<const float*> patterns;
  for (std::size_t l = 0; l < layers; ++l) patterns.push_back(probes_.plan.output(l));
  const std::int64_t probes = probes_.buffers.batch().size();
  const std::vector<float> pattern = attention_row(experiment_, patterns, probes, probes_.n_tokens);
  const std::span<const float> logits(probes_.plan.output(layers), static_cast<std::size_t>(probes * probes_.n_classes));
  file_.append("attention", step, {pattern, logits});
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
  return fmt::format("runs/{}-{}", std::filesystem::path(config_path).stem().string(), text_sha256(resolved(config)).substr(0, 8));
}

}  // namespace saltus
