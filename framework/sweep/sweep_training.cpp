#include "sweep/sweep_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "config/reader.h"
#include "train/load_run.h"
#include "train/provenance.h"
#include "train/run_summary.h"
#include "train/together.h"

namespace saltus {
namespace {

constexpr std::size_t most_kept = 2000;  // bytes of a message, and a line

GroupedRun run_of(const Sweep& sweep, const SweepJob& job, SystemTable systems, const std::string& program) {
  GroupedRun run{TrainConfig(systems), {}};
  read_config_text(fmt::format("job {}", job.id), job.config_yaml, {}, [&run](Fields& f) { run.config.fields(f); });
  run.options.folder = sweep.run_folder(job.id);
  run.options.quiet = true;
  run.options.origin.config_source_yaml = job.config_yaml;
  const bool begun = sweep.was_begun(job);
  run.options.resume = begun && sweep.can_resume(job, program);
  run.options.overwrite = begun && !run.options.resume;
  if (run.options.resume && run_status(run.options.folder) != "none")
    find_data(run.config, RunReader(find_run_file(run.options.folder)));
  return run;
}

void say(const std::string& id, const Error& error) {
  std::string message = error.what();
  for (std::size_t at = 0; (at = message.find('\n', at)) != std::string::npos; at += 3) message.replace(at, 1, "\n  ");
  fmt::print(stderr, "{} {}: {}\n", id, static_cast<int>(error.code()), message);
}

}  // namespace

ExitCode train_jobs(const Sweep& sweep, std::span<const std::string> ids, SystemTable systems, int threads) {
  const std::string program = file_sha256("/proc/self/exe");
  ExitCode code = ExitCode::ok;
  const auto failed = [&code](const std::string& id, const Error& error) {
    say(id, error);
    if (code == ExitCode::ok) code = ExitCode::failed;
  };
  std::vector<GroupedRun> runs;
  std::vector<std::string> id_of;
  for (const std::string& id : ids) {
    const auto job = std::ranges::find(sweep.jobs(), id, &SweepJob::id);
    check_input(job != sweep.jobs().end(), "{} has no job {}", sweep.folder(), id);
    try {
      runs.push_back(run_of(sweep, *job, systems, program));
      id_of.push_back(id);
    } catch (const Error& e) {
      failed(id, e);
    }
  }
  train_together(runs, threads, [&](std::size_t i, const RunReport& report, const Error* error) {
    if (error) failed(id_of[i], *error);
    if (report.interrupted) code = ExitCode::interrupted;
  });
  return code;
}

std::optional<FailedTraining> failure_of(const std::string& id, const std::string& said) {
  std::istringstream lines(said);
  std::optional<FailedTraining> found;
  for (std::string line; std::getline(lines, line);) {
    if (found && !line.starts_with("  ")) break;
    if (found) {
      if (found->message.size() < most_kept) found->message += "\n" + line.substr(2);
    } else if (line.starts_with(id + " ")) {
      const std::size_t colon = line.find(": ");
      if (colon == std::string::npos) continue;
      found = {std::atoi(line.c_str() + id.size()), line.substr(colon + 2)};
    }
  }
  return found;
}

}  // namespace saltus
