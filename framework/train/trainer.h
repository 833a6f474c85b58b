#pragma once
#include <map>
#include <string>

#include "train/config.h"

namespace saltus {

/// What does not change a run's bytes.
struct RunOptions {
  std::string folder;        // where the run goes; must not hold a run already
  int threads = 0;           // 0: one a core, at most one a shard
  bool quiet = false;        // no progress line
  std::map<std::string, std::string> provenance;  // further attributes of run.h5
};

struct RunReport {
  std::int64_t steps = 0;   // optimizer steps taken
  double seconds = 0;
  bool interrupted = false;
  std::string stop_reason;  // "all steps done", the stop_when condition, or the signal's name
  /// Step by which the first headline measure first exceeded 1/2, by linear interpolation between evaluations; negative: never.
  double jump_step = -1;
  std::string jump_measure;  // "ic accuracy"
};

/// Trains one config into one run folder and returns when it is done, when stop_when holds, or after the step during which a SIGINT or
/// SIGTERM arrived; run.h5 is complete in each case. Throws Error when the folder cannot be written or training diverges; the last good
/// run.h5 then stays.
RunReport train(const TrainConfig& config, const RunOptions& options);

}  // namespace saltus
