#pragma once
#include <string>

#include "core/check.h"
#include "sweep/jobs.h"

namespace saltus {

struct WorkerOptions {
  int threads = 1;             // of each training, or of those trained at once
  double lease_seconds = 60;   // how long this worker may be silent before workers on other hosts take it for dead
  bool stop_on_error = false;  // take no further job once one of the sweep has failed or diverged
  bool stay = false;           // while others are at work, so that their jobs are taken over should they die
  std::int64_t max_jobs = 0;   // 0: no limit
  int workers = 1;             // at the sweep, this one included: none takes more jobs at once than its share
  bool quiet = false;
};

/// Trains the sweep's jobs one after the other, each in a process of its own, until none is left that nobody has: the
/// first in the manifest's order that is pending or interrupted comes next, and with a small one those that are alike
/// (StepKind), in the same process, which does not change their bytes. SIGINT or SIGTERM makes the training save
/// and stop; the second one ends it at once.
///
/// Returns interrupted after a signal, else failed when a job of the sweep has failed or diverged, else ok. Throws
/// Error (bad_input) when the sweep was created by another build of saltus, whose runs would not be comparable to this
/// one's.
ExitCode work(Sweep& sweep, const WorkerOptions& options);

}  // namespace saltus
