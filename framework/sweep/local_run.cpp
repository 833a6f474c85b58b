#include "sweep/local_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

#include "sweep/process.h"
#include "sweep/status.h"

namespace saltus {
namespace {

std::vector<Child> start_workers(const Sweep& sweep, const LocalRunOptions& options, std::int64_t open_jobs) {
  const auto cores = static_cast<std::int64_t>(std::max(1u, std::thread::hardware_concurrency()));
  const std::int64_t n = std::min<std::int64_t>(options.workers > 0 ? options.workers : cores, open_jobs);
  std::vector<std::string> arguments = {
      "sweep", "work", sweep.folder(), "--stay", "--lease-seconds", fmt::format("{}", options.lease_seconds)};
  arguments.insert(arguments.end(), {"--workers", fmt::format("{}", std::max<std::int64_t>(n, 1))});
  arguments.insert(arguments.end(), {"--on-error", options.stop_on_error ? "stop" : "continue"});
  std::vector<Child> workers;
  for (std::int64_t i = 0; i < n; ++i) workers.emplace_back(arguments, SIGTERM, false);
  return workers;
}

}  // namespace

ExitCode run_workers(Sweep& sweep, const LocalRunOptions& options) {
  SignalQueue signals;
  StatusDisplay display(options.quiet ? nullptr : stderr, sweep);
  const SweepStatus before = look_at(sweep);
  // Running ones count: their workers, of another call, may die.
  const std::int64_t open_jobs =
      before.count(JobState::pending) + before.count(JobState::interrupted) + before.count(JobState::running);
  std::vector<Child> workers = start_workers(sweep, options, open_jobs);
  bool stopped = false;
  while (!std::ranges::all_of(workers, [](Child& worker) { return worker.ended().has_value(); })) {
    const int signal = signals.wait(std::chrono::milliseconds(100));
    if (signal == SIGINT || signal == SIGTERM) {
      stopped = true;
      for (const Child& worker : workers) worker.signal(SIGTERM);
    }
    display.update();
  }
  display.finish();

  const SweepStatus after = look_at(sweep);
  if (after.count(JobState::done) == static_cast<std::int64_t>(after.jobs.size())) return ExitCode::ok;
  if (stopped) return ExitCode::interrupted;
  const bool failed =
      after.count(JobState::failed) + after.count(JobState::diverged) > 0 ||
      std::ranges::any_of(workers, [](Child& worker) { return worker.ended() == static_cast<int>(ExitCode::failed); });
  return failed ? ExitCode::failed : ExitCode::interrupted;  // open jobs, and no worker that says why: they were killed
}

}  // namespace saltus
