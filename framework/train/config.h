#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "config/fields.h"
#include "core/rng.h"
#include "nn/optimizer.h"
#include "train/system.h"

namespace saltus {

/// Seeds that differ from `seed`.
struct SeedOverrides {
  std::optional<std::int64_t> init, data, eval, task;
  void fields(Fields& f);
};

struct EvalConfig {
  std::int64_t every = 200;
  std::int64_t size = 1024;
  std::int64_t per_decade = 0;
  void fields(Fields& f);
  /// Whether there is an evaluation before step `step`: at multiples of `every`, and per_decade of them between 1 and 10, 10 and 100, ...
  bool due(std::int64_t step) const;
};

struct CheckpointConfig {
  std::int64_t every = 1000;
  bool log_spaced = true;
  std::int64_t probes = 16;
  void fields(Fields& f);
  /// Whether a snapshot is taken before step `step`: at multiples of `every`, and, log-spaced, at 0, 1, 2, 4, 8, ...
  bool due(std::int64_t step) const;
};

struct LogConfig {
  std::int64_t every = 10;
  double flush_seconds = 5;
  void fields(Fields& f);
};

/// What is recorded around an abrupt change of the system's first headline measure (probes/jump.h says what counts as one).
struct JumpConfig {
  double min_size = 0.2;
  std::int64_t recent = 64;
  void fields(Fields& f);
};

/// Ends a run before `steps`: when a measure has been on the right side of a level for some evaluations in a row.
struct StopWhen {
  std::string set;
  std::string measure = "accuracy";
  std::optional<double> above, below;
  std::int64_t evaluations = 3;
  void fields(Fields& f);
};

/// A whole config: everything that decides a run's bytes. How many threads compute it is not part of it.
struct TrainConfig {
  explicit TrainConfig(SystemTable table) : table_(table) {}

  std::string system_name;
  System system;
  std::int64_t seed = 0;
  SeedOverrides seed_overrides;
  std::int64_t steps = 10000;
  std::int64_t batch_size = 128;
  std::int64_t shards = 2;
  OptimizerConfig optimizer;
  EvalConfig eval;
  CheckpointConfig checkpoints;
  JumpConfig jumps;
  LogConfig log;
  std::optional<StopWhen> stop_when;

  void fields(Fields& f);
  Seeds seeds() const;
  SystemTable table() const { return table_; }

 private:
  SystemTable table_;
};

/// The config as a complete YAML file: what config.yaml and run.h5 hold, and what names a run.
std::string resolved_yaml(const TrainConfig& config);

/// Builds the config's system and draws its initial parameters.
std::unique_ptr<Experiment> build_experiment(const TrainConfig& config);

}  // namespace saltus
