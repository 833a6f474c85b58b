#pragma once
#include <optional>
#include <span>
#include <string>

#include "core/check.h"
#include "sweep/jobs.h"

namespace saltus {

/// Trains jobs of one StepKind together in this process, each into its run folder, going on with what was begun where
/// that can be. What goes wrong with a job is said on stderr, "<id> <exit code>: <message>" with further lines
/// indented; the others go on. Returns interrupted after a signal, else failed where a job failed or diverged.
ExitCode train_jobs(const Sweep& sweep, std::span<const std::string> ids, SystemTable systems, int threads);

/// What train_jobs() said of a job.
struct FailedTraining {
  int code;
  std::string message;
};
std::optional<FailedTraining> failure_of(const std::string& id, const std::string& said);

}  // namespace saltus
