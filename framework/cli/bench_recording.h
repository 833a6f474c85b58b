#pragma once
#include "train/config.h"

namespace saltus::cli {

/// What a run does besides training, in milliseconds: single events, and their sums a step at the config's cadence.
/// Snapshots that a jump asks for are left out.
struct RecordingCost {
  double evaluation, row, snapshot, saved_state, rewrite;  // one each
  double evaluation_per_step;
  double recording_per_step;  // rows, snapshots, saved states and what log.flush_seconds asks for
};

/// Measured in a temporary folder, which is gone afterwards, by what a run itself uses. `step_ms`: what a training step
/// takes.
RecordingCost recording_cost(const TrainConfig& config, int threads, double step_ms);

}  // namespace saltus::cli
