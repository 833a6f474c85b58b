#include "sweep/slurm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <span>
#include <sstream>

#include "core/check.h"
#include "sweep/slurm_command.h"
#include "train/posix.h"
#include "train/provenance.h"

namespace saltus::slurm {
namespace {

using nlohmann::json;

constexpr int kDefaultMaxArraySize = 1001;  // of Slurm itself
constexpr int kSignalResolution = 60;       // seconds: "may be sent up to 60 seconds earlier" (sbatch's manual)

std::string script_path(const std::string& folder) { return folder + "/slurm/submit.sbatch"; }
std::string record_path(const std::string& folder) { return folder + "/slurm.json"; }

/// A word that neither sbatch nor squeue's list of names would take apart.
std::string job_name(const std::string& folder) {
  std::string name = "saltus-" + std::filesystem::path(folder).filename().string();
  for (char& c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_' && c != '.') c = '-';
  }
  return name;
}

/// A value on an #SBATCH line. sbatch has no way to write a line break, and gives up on all patterns of a file name
/// with a backslash.
std::string directive_value(const std::string& text) {
  check_input(text.find_first_of("\\\n\r") == std::string::npos,
              "sbatch cannot take '{}': it holds a backslash or a line break", text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '\\';
    quoted += c;
  }
  return quoted + '"';
}

/// A word of a shell command, in quotes where it needs them.
std::string shell_word(const std::string& text) {
  static const std::regex plain("[A-Za-z0-9_./,:=%@+-]+");
  if (std::regex_match(text, plain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + '\'';
}

/// Where a task writes, as a pattern of sbatch, in which % is written %%.
std::string output_pattern(const std::string& folder) {
  std::string escaped;
  for (const char c : folder) escaped += c == '%' ? std::string("%%") : std::string(1, c);
  return escaped + "/slurm/%A_%a.out";
}

std::string array_range(const Options& options, int tasks) {
  const std::string range = fmt::format("0-{}", tasks - 1);
  return options.array_limit > 0 ? fmt::format("{}%{}", range, options.array_limit) : range;
}

/// Seconds of a time limit in sbatch's forms: minutes, minutes:seconds, hours:minutes:seconds,
/// days-hours[:minutes[:seconds]].
std::optional<long> seconds_of(const std::string& time) {
  static const std::regex form(R"((?:(\d{1,5})-)?(\d{1,6})(?::(\d{1,4}))?(?::(\d{1,4}))?)");
  std::smatch match;
  if (!std::regex_match(time, match, form)) return std::nullopt;
  const auto number = [&match](std::size_t i) { return match[i].matched ? std::stol(match[i].str()) : 0; };
  const bool starts_with_hours = match[1].matched || match[4].matched;
  return number(1) * 86400 +
         (starts_with_hours ? number(2) * 3600 + number(3) * 60 + number(4) : number(2) * 60 + number(3));
}

int max_array_size() {
  const CommandResult config = run_command({"scontrol", "show", "config"});
  check(config.exit_code == 0, "scontrol cannot tell the cluster's MaxArraySize: {}", config.message());
  static const std::regex line(R"(MaxArraySize\s*=\s*(\d{1,9}))");
  std::smatch match;
  check(std::regex_search(config.out, match, line), "`scontrol show config` names no MaxArraySize");
  return std::stoi(match[1].str());
}

json read_record(const std::string& folder) {
  const std::string path = record_path(folder);
  std::ifstream file(path);
  if (!file) return nullptr;
  json record = json::parse(file, nullptr, /*allow_exceptions=*/false);
  check(record.is_object() && record.contains("submissions") && record["submissions"].is_array(), "{} is damaged",
        path);
  for (const json& submission : record["submissions"]) {
    check(submission.is_object() && submission.contains("job") && submission["job"].is_string(), "{} is damaged", path);
  }
  return record;
}

void record_submission(const std::string& folder, const std::string& job, int tasks) {
  json record = read_record(folder);
  if (record.is_null()) record = {{"version", 1}, {"submissions", json::array()}};
  record["submissions"].push_back({{"job", job}, {"workers", tasks}, {"submitted", utc_now()}});
  const std::string text = record.dump(2) + "\n";
  posix::replace_file(record_path(folder), {std::as_bytes(std::span(text))});
}

/// Submits one array after those in `jobs`; returns its id.
std::string submit_array(const Options& options, const std::string& folder, int tasks,
                         const std::vector<std::string>& jobs) {
  const std::string previous = jobs.empty() ? "" : jobs.back();
  const CommandResult result = run_command(sbatch_arguments(options, folder, tasks, previous));
  const std::string before =
      jobs.empty() ? "" : fmt::format(" (submitted before, and still there: {})", fmt::join(jobs, ", "));
  check(result.exit_code == 0, "sbatch refused {}: {}{}", script_path(folder), result.message(), before);
  // "id" or, between clusters, "id;cluster"
  std::string job = result.out.substr(0, result.out.find_first_of(";\n"));
  check(!job.empty() && job.find_first_not_of("0123456789") == std::string::npos,
        "sbatch answered '{}', not a job's id", result.out);
  return job;
}

}  // namespace

void check_options(const Options& options) {
  if (options.time.empty()) return;
  const std::optional<long> seconds = seconds_of(options.time);
  check_input(seconds.has_value(), "--time {}: not a time limit; write HH:MM:SS, D-HH:MM:SS or minutes", options.time);
  const int needed = options.signal_before + kSignalResolution;
  check_input(*seconds == 0 || *seconds > needed,
              "--time {} leaves a worker no time to train: it is told to save and stop {} s before the limit, and "
              "Slurm may say so {} s early; give "
              "more time, or less to --signal-before",
              options.time, options.signal_before, kSignalResolution);
}

std::vector<int> array_sizes(int workers, int max_array_size) {
  // Indices go from 0 to MaxArraySize - 1.
  check(max_array_size >= 1, "this cluster allows no job arrays (MaxArraySize = {})", max_array_size);
  const int arrays = (workers + max_array_size - 1) / max_array_size;
  std::vector<int> sizes;
  for (int i = 0; i < arrays; ++i) sizes.push_back(workers / arrays + (i < workers % arrays ? 1 : 0));
  return sizes;
}

std::string script(const Options& options, const std::string& program, const std::string& folder, int tasks) {
  std::string text = "#!/bin/bash\n";
  text +=
      "# Written by `saltus sweep submit`. Each task is a worker that takes jobs from the sweep's manifest until none "
      "is left.\n";
  const auto directive = [&text](const std::string& words) { text += "#SBATCH --" + words + "\n"; };
  directive("job-name=" + job_name(folder));
  directive("array=" + array_range(options, tasks));
  directive("output=" + directive_value(output_pattern(folder)));
  directive("open-mode=append");
  directive("nodes=1");
  directive("ntasks=1");
  directive(fmt::format("cpus-per-task={}", options.cpus));
  if (!options.partition.empty()) directive("partition=" + directive_value(options.partition));
  if (!options.account.empty()) directive("account=" + directive_value(options.account));
  if (!options.time.empty()) directive("time=" + options.time);
  directive("requeue");
  directive(fmt::format("signal=B:USR1@{}", options.signal_before));
  text += fmt::format("\n{} sweep work {} --threads {} --workers {}", shell_word(program), shell_word(folder), options.cpus,
                      options.workers);
  if (options.lease_seconds > 0) text += fmt::format(" --lease-seconds {}", options.lease_seconds);
  // A worker that is told twice to stop stops without saving, and what cancels a job tells all its processes: so the
  // warning is another signal. `wait` also returns when a trap has run, while the worker is still saving.
  text += R"( &
worker=$!
# USR1 comes before the time limit, to this script alone: the worker saves its run and exits 75.
trap 'kill -TERM "$worker"' USR1
# TERM, when the job is cancelled, reaches the worker by itself: here it only has to be waited for.
trap : TERM
while wait "$worker"; code=$?; kill -0 "$worker" 2>/dev/null; do :; done
# Back into the queue, to go on from what was saved; Incomplete: unless the job was cancelled.
if [ "$code" -eq 75 ]; then scontrol requeue Incomplete "$SLURM_JOB_ID"; fi
exit "$code"
)";
  return text;
}

std::vector<std::string> sbatch_arguments(const Options& options, const std::string& folder, int tasks,
                                          const std::string& previous) {
  std::vector<std::string> arguments = {"sbatch", "--parsable", "--array=" + array_range(options, tasks)};
  if (options.array_limit > 0 && !previous.empty()) arguments.push_back("--dependency=afterany:" + previous);
  arguments.push_back(script_path(folder));
  return arguments;
}

std::string dry_run(const Options& options, const std::string& program, const std::string& folder) {
  const bool here = command_exists("scontrol");
  const std::vector<int> sizes = array_sizes(options.workers, here ? max_array_size() : kDefaultMaxArraySize);
  std::string text = script(options, program, folder, sizes.front());
  text += fmt::format("\n# would be written to {} and submitted by:\n", script_path(folder));
  std::string previous;
  for (const int tasks : sizes) {
    text += "#  ";
    for (const std::string& argument : sbatch_arguments(options, folder, tasks, previous))
      text += " " + shell_word(argument);
    text += '\n';
    previous = "JOB_BEFORE";
  }
  if (!here)
    text += fmt::format("# There is no Slurm on this machine: its default, MaxArraySize = {}, was assumed.\n",
                        kDefaultMaxArraySize);
  return text;
}

std::vector<std::string> submit(const Options& options, const std::string& program, const std::string& folder) {
  check_input(command_exists("sbatch"),
              "sbatch not found: Slurm's jobs are submitted on a machine of its cluster (usually the login node). "
              "`saltus sweep work {}` works here, "
              "without Slurm",
              folder);
  const std::vector<int> sizes = array_sizes(options.workers, max_array_size());
  std::filesystem::create_directories(folder + "/slurm");
  const std::string text = script(options, program, folder, sizes.front());
  posix::replace_file(script_path(folder), {std::as_bytes(std::span(text))});
  std::vector<std::string> jobs;
  for (const int tasks : sizes) {
    jobs.push_back(submit_array(options, folder, tasks, jobs));
    record_submission(folder, jobs.back(), tasks);  // each at once: a job that nobody knows of cannot be cancelled
  }
  return jobs;
}

std::optional<Queue> queue(const std::string& folder) {
  const json record = read_record(folder);
  if (record.is_null()) return std::nullopt;
  Queue queue;
  for (const json& submission : record["submissions"]) queue.jobs.push_back(submission["job"].get<std::string>());
  // By name and not by id: squeue fails as a whole when it has forgotten one of the ids.
  const CommandResult result =
      run_command({"squeue", "--noheader", "--array", "--name=" + job_name(folder), "--format=%F %T %r"});
  if (result.exit_code != 0) {
    queue.problem = result.message();
    return queue;
  }
  std::set<std::string> live;
  std::istringstream lines(result.out);
  for (std::string job, state, reason; lines >> job >> state && std::getline(lines >> std::ws, reason);) {
    if (std::find(queue.jobs.begin(), queue.jobs.end(), job) == queue.jobs.end())
      continue;  // another sweep of this name
    live.insert(job);
    if (state == "PENDING" && queue.waiting++ == 0) queue.reason = reason;
    if (state == "COMPLETING") ++queue.ending;
    if (state != "PENDING" && state != "COMPLETING") ++queue.running;
  }
  queue.live.assign(live.begin(), live.end());
  return queue;
}

std::string describe(const Queue& queue) {
  const std::string jobs = fmt::format("job{} {}", queue.jobs.size() == 1 ? "" : "s", fmt::join(queue.jobs, ", "));
  if (!queue.problem.empty()) return fmt::format("slurm: {}; cannot ask after them: {}", jobs, queue.problem);
  if (queue.live.empty()) return fmt::format("slurm: no workers left of {}", jobs);
  std::vector<std::string> parts = {fmt::format("{} worker{} running", queue.running, queue.running == 1 ? "" : "s")};
  if (queue.ending > 0) parts.push_back(fmt::format("{} ending", queue.ending));
  const std::string reason = queue.reason == "None" ? "" : fmt::format(" ({})", queue.reason);
  if (queue.waiting > 0) parts.push_back(fmt::format("{} waiting{}", queue.waiting, reason));
  return fmt::format("slurm: {}; job{} {}", fmt::join(parts, ", "), queue.live.size() == 1 ? "" : "s",
                     fmt::join(queue.live, ", "));
}

std::vector<std::string> cancel(const std::string& folder) {
  const std::optional<Queue> known = queue(folder);
  check_input(known.has_value(), "nothing was submitted for {}: there is no {}", folder, record_path(folder));
  check(known->problem.empty(), "cannot ask Slurm for the jobs of {}: {}", folder, known->problem);
  if (known->live.empty()) return {};
  std::vector<std::string> arguments = {"scancel"};
  arguments.insert(arguments.end(), known->live.begin(), known->live.end());
  const CommandResult result = run_command(arguments);
  check(result.exit_code == 0, "scancel refused: {}", result.message());
  return known->live;
}

}  // namespace saltus::slurm
