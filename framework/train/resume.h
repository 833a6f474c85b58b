#pragma once
#include <optional>
#include <string>

#include "train/state_archive.h"
#include "train/trainer.h"

namespace saltus {

/// The file in a run folder that holds the state to go on from.
std::string state_path(const std::string& folder);

/// Writes config.yaml into the run folder, which is made if missing: the first thing that a run does, so that whatever comes after can
/// be resumed.
void write_config_file(const std::string& folder, const TrainConfig& config);

/// Stamps a state with what it belongs to: config, program, and the notes on earlier resumptions.
void stamp(StateArchive& state, const TrainConfig& config, const std::string& history);

/// What a run goes on from.
struct ResumePoint {
  std::optional<StateArchive> state;  // nothing: no state had been saved, the run starts again from step 0
  std::string history;                // one line a resumption, this one last
};
/// Reads it. Throws Error (bad_input) when the state belongs to another program or config, with the differences, unless options.force.
/// Where no state had been saved, what was recorded is removed.
ResumePoint resume_point(const RunOptions& options, const TrainConfig& config);

}  // namespace saltus
