#pragma once
#include <optional>
#include <string>

#include "train/state_archive.h"
#include "train/trainer.h"

namespace saltus {

/// The file in a run folder that holds the state to go on from.
std::string state_path(const std::string& folder);

/// The file that holds where the run comes from, for a run that is killed before its first saved state.
std::string origin_path(const std::string& folder);

/// Readies the folder of a new run, which is made if missing, and writes its origin and config.yaml into it: the first thing that a run
/// does, so that whatever comes after can be resumed. Throws (bad_input) when a run is there and options.overwrite is not set, when a process is
/// writing it, or when a config.yaml is there that is not this run's.
void begin_run(const RunOptions& options, const TrainConfig& config);

/// Writes <folder>/config.yaml.
void write_config_file(const std::string& folder, const TrainConfig& config);

/// Removes what only an unfinished run needs besides its journal.
void remove_saved_state(const std::string& folder);

/// Removes what is left of a run whose process was killed after its last run.h5 was written and before it had cleared up.
void clear_finished_run(const std::string& folder);

/// Stamps a state with what it belongs to: config, program and origin.
void stamp(StateArchive& state, const TrainConfig& config, const RunOrigin& origin);

/// What a run goes on from.
struct ResumePoint {
  std::optional<StateArchive> state;  // nothing: no state had been saved, the run starts again from step 0
  RunOrigin origin;
};
/// Reads it. Throws Error (bad_input) when the state belongs to another program or config, with the differences, unless options.force.
/// Where no state had been saved, what was recorded is removed; only the origin stays.
/// What the experiment is built from must be what the run began with (check_same_data), options.force or not.
ResumePoint resume_point(const RunOptions& options, const TrainConfig& config, const Experiment& experiment);

}  // namespace saltus
