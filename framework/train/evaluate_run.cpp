#include "train/evaluate_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "core/check.h"
#include "train/load_run.h"
#include "train/load_weights.h"
#include "train/tables.h"

namespace saltus {
namespace {

TrainConfig config_of(const RunReader& run, SystemTable systems, const EvaluationRequest& request,
                      std::optional<std::int64_t> length) {
  TrainConfig config = config_of_run(run, systems, request.overrides);
  std::vector<std::string> idle;
  if (config.system.without_effect_on_trained) idle = config.system.without_effect_on_trained();
  for (const Override& o : request.overrides) {
    check_input(std::ranges::find(idle, o.key) == idle.end(),
                "{}: this would change nothing: the run's weights are given, and eval measures the test sets alone",
                o.origin);
    check_input(o.key != config.system.context_length_key,
                "{}: the model was trained at another length; say --lengths {}", o.origin, o.value);
    check_input(o.key != "seed" && !o.key.starts_with("seeds"),
                "{}: the run's seeds say what its task is; --seed gives the examples another", o.origin);
  }
  config.seed_overrides.eval = request.seed.value_or(static_cast<std::int64_t>(config.seeds().eval) + 1);
  if (!length) return config;
  check_input(static_cast<bool>(config.system.set_context_length), "system {} has no context length to change",
              config.system_name);
  config.system.set_context_length(*length);
  // The rules between the keys hold for the new length too: read the whole once more.
  const std::string changed = resolved_yaml(config);
  TrainConfig checked(systems);
  read_config_text(fmt::format("{} at length {}", run.path(), *length), changed, {},
                   [&checked](Fields& f) { checked.fields(f); });
  return config;  // which knows more than its text: where its data are
}

/// [set]: so many as are asked for, or as the set has.
std::vector<std::int64_t> samples_of(const Task& task, std::int64_t asked) {
  std::vector<std::int64_t> samples;
  for (int set = 0; set < std::ssize(task.eval_sets()); ++set) samples.push_back(std::min(asked, task.eval_samples(set)));
  return samples;
}

/// Appends [numbers of the measures at each length and set] of one quantity to the table.
void add_constants(Table& table, const std::vector<Measure>& measures, const std::vector<SetMeans>& at_length,
                   const std::vector<std::string>& outer) {
  std::size_t from = 0;
  for (const Measure& m : measures) {
    const auto n = static_cast<std::ptrdiff_t>(m.size());
    std::vector<double> mean, error;
    for (const SetMeans& means : at_length) {
      for (std::size_t set = 0; set < means.mean.size(); ++set) {
        const auto begin = static_cast<std::ptrdiff_t>(from);
        mean.insert(mean.end(), means.mean[set].begin() + begin, means.mean[set].begin() + begin + n);
        error.insert(error.end(), means.error[set].begin() + begin, means.error[set].begin() + begin + n);
      }
    }
    std::vector<std::string> dims = outer;
    for (const std::string& name : add_dims(table, m)) dims.push_back(name);
    table.constants.push_back({m.name, dims, std::move(mean), m.long_name});
    table.constants.push_back({m.name + "_standard_error", dims, std::move(error), "of " + m.name});
    from += static_cast<std::size_t>(m.size());
  }
}

/// The model as it was trained, on streams of each length.
Evaluation evaluate_streams(const RunReader& run, SystemTable systems, const EvaluationRequest& request,
                            ThreadPool& pool) {
  const TrainConfig config = config_of(run, systems, request, std::nullopt);
  const std::unique_ptr<Experiment> experiment = build_experiment(config);
  check_input(static_cast<bool>(experiment->stream),
              "the model of {} cannot be read in stretches: its task or what it attends to has no end", run.path());
  check_input(!request.lengths.empty(), "--stream needs --lengths");
  Evaluation out;
  out.step = load_weights(run, request.step, *experiment);
  out.seed = *config.seed_overrides.eval;
  out.lengths = request.lengths;
  out.sets = {experiment->task->eval_sets().front()};
  out.samples = {request.samples};
  out.measures = {{"loss", "cross-entropy at the end of the sequence, in nats"},
                  {"accuracy", "share of sequences answered right at their end"}};
  for (const std::int64_t length : request.lengths) {
    const Experiment::Streamed s = experiment->stream(length, request.samples, pool);
    out.model.push_back({{{s.loss, s.accuracy}}, {{s.loss_error, s.accuracy_error}}});
  }
  return out;
}

}  // namespace

Evaluation evaluate_run(const RunReader& run, SystemTable systems, const EvaluationRequest& request) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  ThreadPool pool(request.threads > 0 ? request.threads : cores);
  if (request.stream) return evaluate_streams(run, systems, request, pool);
  Evaluation out;
  out.lengths = request.lengths;
  std::vector<std::optional<std::int64_t>> lengths(request.lengths.begin(), request.lengths.end());
  if (lengths.empty()) lengths.emplace_back();
  std::vector<TrainConfig> configs;
  for (const std::optional<std::int64_t> length : lengths) {
    configs.push_back(config_of(run, systems, request, length));
    build_experiment(configs.back());  // so that a length that is refused is refused before any is measured
  }
  for (const TrainConfig& config : configs) {
    const std::unique_ptr<Experiment> experiment = build_experiment(config);
    out.step = load_weights(run, request.step, *experiment);
    out.seed = *config.seed_overrides.eval;
    out.sets = experiment->task->eval_sets();
    out.samples = samples_of(*experiment->task, request.samples);
    out.measures = experiment->eval->measures();
    Evaluator::Result result = Evaluator(*experiment, request.samples, pool).run();
    out.model.push_back({std::move(result.eval), std::move(result.eval_errors)});
    if (!experiment->references) continue;
    out.reference_measures = experiment->references->measures();
    out.references.push_back(
        reference_means(*experiment, chunks_of(*experiment->task, request.samples), pool));
  }
  return out;
}

Table table_of(const Evaluation& e) {
  Table table{.group = "eval", .growing = ""};
  std::vector<std::string> outer;
  if (!e.lengths.empty()) {
    table.dims.push_back({.name = "length",
                          .long_name = "length of the context",
                          .values = std::vector<double>(e.lengths.begin(), e.lengths.end())});
    outer.emplace_back("length");
  }
  table.dims.push_back({.name = "evalset", .labels = e.sets});
  outer.emplace_back("evalset");
  add_constants(table, e.measures, e.model, outer);
  add_constants(table, e.reference_measures, e.references, outer);
  return table;
}

}  // namespace saltus
