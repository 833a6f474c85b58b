#pragma once
#include <functional>
#include <string>
#include <vector>

#include "probes/jump.h"
#include "train/config.h"

namespace saltus {

/// Where a run comes from, for the attributes of run.h5; a resumed run keeps what its saved state says.
struct RunOrigin {
  std::string config_source_yaml;  // the config as its user wrote it
  std::string overrides;           // what the command line said on top
  std::string created;             // UTC; empty: now
  std::string resumed;             // one line a resumption
  double seconds = 0;              // spent on the run by earlier processes
};

/// What does not change a run's bytes.
struct RunOptions {
  std::string folder;   // where the run goes, or is
  int threads = 0;      // 0: one a core, at most one a shard
  bool quiet = false;   // no progress line
  bool overwrite = false;  // replace a run that the folder holds
  bool resume = false;  // go on with the run that the folder holds, from its saved state
  bool force = false;   // resume even though the config or the program is another one
  RunOrigin origin;
  std::function<void(const Experiment&)> on_start = {};  // called before the first step, when all that can be refused has been
};

struct RunReport {
  std::int64_t first_step = 0;  // where this process took over
  std::int64_t steps = 0;       // optimizer steps taken in all
  double seconds = 0;           // in this process
  bool interrupted = false;
  std::string stop_reason;  // "all steps done", the stop_when condition, or that a signal came
  std::vector<Jump> jumps;  // of the first headline measure, those seen in this process
  std::string jump_measure;     // "ic accuracy"
};

/// Trains one config into one run folder and returns when it is done, when stop_when holds, or after the step during which a SIGINT or
/// SIGTERM arrived; run.h5 is complete in each case. Throws Error when the folder cannot be written or training diverges; the last good
/// run.h5 then stays.
///
/// With options.resume the run goes on from its last saved state, or from the start when none was saved, and ends with the datasets it
/// would have had without the interruption. Throws (bad_input), showing the difference, when the state was saved by another program or
/// under another config, unless options.force.
RunReport train(const TrainConfig& config, const RunOptions& options);

/// How many threads a run of so many shards uses where `asked` are asked for, 0 meaning one a core.
int thread_count(int asked, std::int64_t shards);

/// The `status` of the run in a folder: "running", "interrupted", "done", "diverged", "failed", or "none" when there is no run.h5.
std::string run_status(const std::string& folder);

}  // namespace saltus
