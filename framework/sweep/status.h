#pragma once
#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "sweep/jobs.h"

namespace saltus {

struct JobStatus {
  const SweepJob* job;
  JobState state;
  JobRecord record;
};

/// A sweep at one moment.
struct SweepStatus {
  std::vector<JobStatus> jobs;  // in the manifest's order
  /// Until all is done at the present pace: from the time that jobs took and the number of those that run now. Nothing
  /// while no job is done or none is running.
  std::optional<double> eta_seconds;

  std::int64_t count(JobState state) const;
  /// Whether a worker would find no job left, and none is at work.
  bool is_over() const;

  /// "8 jobs: 5 done, 2 running, 1 pending; ETA 0:12"
  std::string line() const;
  /// The line, then the jobs that run, failed or diverged, with their settings and what they said.
  std::string text() const;
  std::string json() const;
};

SweepStatus look_at(Sweep& sweep);

/// What is shown while a sweep goes on: each job that fails, as it does, and the status line; live on a terminal, now
/// and then elsewhere.
class StatusDisplay {
 public:
  /// `out` may be null: then nothing is shown. Jobs that have failed already are not news.
  StatusDisplay(std::FILE* out, Sweep& sweep);

  /// Looks and shows when it is time to. Returns whether the sweep was over when last looked at.
  bool update();
  /// Looks and shows once more, and ends a live line.
  void finish();

 private:
  void show(const SweepStatus& status, bool line_is_due, bool last);

  using Clock = std::chrono::steady_clock;
  std::FILE* out_;
  bool live_;
  Sweep& sweep_;
  std::vector<bool> told_;  // jobs whose failure was shown
  Clock::time_point next_look_, next_line_;
  bool over_ = false;
};

}  // namespace saltus
