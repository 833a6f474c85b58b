#pragma once
#include "core/check.h"
#include "sweep/jobs.h"

namespace saltus {

struct LocalRunOptions {
  int workers = 0;  // 0: one a core
  double lease_seconds = 60;
  bool stop_on_error = false;
  bool quiet = false;  // no status line
};

/// Works on a sweep with several worker processes on this machine (worker.h), one thread each, until no job is left.
/// SIGINT or SIGTERM stops them all, the trainings saved; the second one ends the trainings at once. Should this
/// process be killed, they stop, too. Returns as work() does.
ExitCode run_workers(Sweep& sweep, const LocalRunOptions& options);

}  // namespace saltus
