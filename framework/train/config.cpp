#include "train/config.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "config/writer.h"

namespace saltus {

void SeedOverrides::fields(Fields& f) {
  f.field("init", init, "seed of the initial parameters; null: `seed`", at_least(0));
  f.field("data", data, "seed of the training examples; null: `seed`", at_least(0));
  f.field("eval", eval, "seed of the test sets; null: `seed`", at_least(0));
  f.field("task", task, "seed of what defines the task, such as its class centres; null: `seed`", at_least(0));
}

void EvalConfig::fields(Fields& f) {
  f.field("every", every, "steps between evaluations on the test sets", at_least(1));
  f.field("size", size, "samples in each test set", between(1, 1 << 24));
  f.field("per_decade", per_decade, "evaluations besides those, so many from step 1 to 10, from 10 to 100, ..., evenly on a log scale", between(0, 1000));
}

bool EvalConfig::due(std::int64_t step) const {
  if (step % every == 0) return true;
  if (per_decade == 0) return false;
  // The one point of the log grid that can round to this step.
  const double nearest = std::round(std::log10(static_cast<double>(step)) * static_cast<double>(per_decade));
  return std::llround(std::pow(10, nearest / static_cast<double>(per_decade))) == step;
}

void CheckpointConfig::fields(Fields& f) {
  f.field("every", every, "steps between snapshots of all weights; the run can also be resumed from there, where saving that takes no more than half a percent of its time", at_least(1));
  f.field("log_spaced", log_spaced, "also take snapshots at steps 0, 1, 2, 4, 8, ...");
  f.field("probes", probes, "samples of the progress set whose attention and logits each snapshot stores", between(1, 4096));
}

bool CheckpointConfig::due(std::int64_t step) const {
  return step % every == 0 || (log_spaced && std::has_single_bit(static_cast<std::uint64_t>(step)));
}

void JumpConfig::fields(Fields& f) {
  f.field("min_size", min_size, "smallest change of the headline measure that counts as a jump, in its own units", at_least(0));
  f.field("recent", recent, "evaluations whose weights are kept, to be stored with every evaluation around a jump once it is seen; 0: none", at_least(0));
}

void LogConfig::fields(Fields& f) {
  f.field("every", every, "steps between rows of /train", at_least(1));
  f.field("flush_seconds", flush_seconds, "measures older than this are on disk", above(0));
}

void StopWhen::fields(Fields& f) {
  f.field("set", set, "test set to watch");
  f.field("measure", measure, "measure of /eval to watch");
  f.field("above", above, "stop when the measure is above this");
  f.field("below", below, "stop when the measure is below this");
  f.field("evaluations", evaluations, "for so many evaluations in a row", at_least(1));
  f.require(above.has_value() != below.has_value(), above ? "below" : "above", "stop_when needs either `above` or `below`");
}

void TrainConfig::fields(Fields& f) {
  std::vector<std::string> names;
  for (const SystemEntry& entry : table_) names.emplace_back(entry.name);
  const std::string before = system_name;
  f.choice("system", system_name, names, "which experiment this is; decides the keys of `task` and `model`");
  for (const SystemEntry& entry : table_) {
    if (system_name == entry.name && (system_name != before || !system.build)) system = entry.make();
  }
  f.field("seed", seed, "seed of everything random", at_least(0));
  f.section("seeds", seed_overrides, "seeds of single streams");
  f.field("steps", steps, "optimizer steps", between(0, 4294967295.0));
  f.field("batch_size", batch_size, "samples a step", between(1, 1 << 20));
  f.field("shards", shards, "parts of a batch that are computed one by one or side by side; part of the run's identity, since float sums "
          "are cut there", between(1, 1024));
  f.require(batch_size % shards == 0, "shards", fmt::format("shards ({}) must divide batch_size ({})", shards, batch_size));
  if (system.build) {
    f.section("task", "where examples come from", system.task_fields);
    f.section("model", "the network", system.model_fields);
    system.rules(f);
  }
  f.section("optimizer", optimizer, "how parameters move");
  f.section("eval", eval, "evaluation on fixed test sets");
  f.section("checkpoints", checkpoints, "snapshots of weights and attention");
  f.section("jumps", jumps, "extra snapshots around abrupt changes");
  f.section("log", log, "training measures");
  f.section("stop_when", stop_when, "ends the run early");
}

Seeds TrainConfig::seeds() const {
  const auto pick = [this](const std::optional<std::int64_t>& own) { return static_cast<std::uint64_t>(own.value_or(seed)); };
  return {pick(seed_overrides.init), pick(seed_overrides.data), pick(seed_overrides.eval), pick(seed_overrides.task)};
}

std::string resolved_yaml(const TrainConfig& config) {
  TrainConfig copy = config;
  return write_config([&copy](Fields& f) { copy.fields(f); });
}

std::unique_ptr<Experiment> build_experiment(const TrainConfig& config) {
  const Seeds seeds = config.seeds();
  std::unique_ptr<Experiment> experiment = config.system.build(seeds);
  Graph graph;  // recorded for the parameters that it declares; two samples, as a model may look from one to the next
  experiment->record(graph, experiment->params, experiment->whole(2, Purpose::train));
  experiment->params.initialise(Rng(seeds.init, Stream::init));
  return experiment;
}

}  // namespace saltus
