#include "cli/sweep_slurm.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "core/check.h"
#include "sweep/slurm.h"
#include "sweep/status.h"

namespace saltus::cli {
namespace {

constexpr int most_workers = 64;                 // unless asked for: a worker takes many jobs
constexpr std::chrono::seconds saving_time{15};  // for cancelled workers, before we say what is left

struct Arguments {
  std::string folder, launcher = "slurm";
  slurm::Options slurm;
  int workers = 0;  // 0: one a job left
  bool dry_run = false;
};

/// The program and the sweep's folder as every node must find them.
std::string this_program() { return std::filesystem::read_symlink("/proc/self/exe").string(); }
std::string absolute(const std::string& folder) {
  std::string path = std::filesystem::absolute(folder).lexically_normal().string();
  return path.ends_with('/') ? path.substr(0, path.size() - 1) : path;
}

int submit(Arguments& a) {
  slurm::check_options(a.slurm);
  const std::string folder = absolute(a.folder);
  Sweep sweep(a.folder);
  const SweepStatus status = look_at(sweep);
  const auto left = static_cast<int>(status.count(JobState::pending) + status.count(JobState::interrupted));
  a.slurm.workers = a.workers > 0 ? a.workers : std::clamp(left, 1, most_workers);
  if (a.dry_run) {
    fmt::print("{}", slurm::dry_run(a.slurm, this_program(), folder));
    return 0;
  }
  if (left == 0) {
    fmt::print("nothing to submit: no job is left to take. {}\n", status.line());
    return 0;
  }
  const std::vector<std::string> jobs = slurm::submit(a.slurm, this_program(), folder);
  fmt::print("submitted {} worker{} for {} job{}: Slurm's {}, by {}/slurm/submit.sbatch\n\nnext:\n", a.slurm.workers,
             a.slurm.workers == 1 ? "" : "s", left, left == 1 ? "" : "s", fmt::join(jobs, ", "), a.folder);
  fmt::print(
      "  saltus sweep status {0}\n  saltus sweep cancel {0}\n  saltus sweep collect {0}\n      when all jobs are "
      "done\n",
      a.folder);
  return 0;
}

int cancel(const std::string& given) {
  const std::string folder = absolute(given);
  Sweep sweep(given);
  const std::vector<std::string> jobs = slurm::cancel(folder);
  if (jobs.empty()) {
    fmt::print("nothing to cancel: Slurm has none of the workers of {} any more\n", given);
  } else {
    fmt::print("cancelled Slurm's {}: running workers save their runs and stop\n", fmt::join(jobs, ", "));
    std::fflush(stdout);
    const auto end = std::chrono::steady_clock::now() + saving_time;
    while (!slurm::queue(folder)->live.empty() && std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  fmt::print("{}{}", look_at(sweep).text(), slurm_line(given));
  return 0;
}

}  // namespace

std::string slurm_line(const std::string& folder) {
  const std::optional<slurm::Queue> queue = slurm::queue(absolute(folder));
  return queue ? slurm::describe(*queue) + "\n" : "";
}

Action add_submit(CLI::App& sweep) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = sweep.add_subcommand(
      "submit", "hand a sweep to a cluster: an array of workers that take its jobs until none is left");
  verb->add_option("folder", a->folder, "the sweep's folder, on a file system that all nodes share")->required();
  verb->add_option("--launcher", a->launcher, "the cluster's job system")
      ->check(CLI::IsMember({"slurm"}))
      ->capture_default_str();
  verb->add_option("--partition", a->slurm.partition, "default: the cluster's");
  verb->add_option("--account", a->slurm.account, "default: yours");
  verb->add_option("--time", a->slurm.time,
                   "limit of one worker, HH:MM:SS; at its end the worker saves its run, and goes on in a later one. "
                   "Default: the partition's");
  verb->add_option("--cpus", a->slurm.cpus, "cores of one worker, whose runs use as many threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--workers", a->workers, fmt::format("default: one a job that is left, at most {}", most_workers))
      ->check(CLI::Range(1, 1000000));
  verb->add_option("--array-limit", a->slurm.array_limit, "how many workers may run at once. Default: all")
      ->check(CLI::Range(1, 1000000));
  verb->add_option("--signal-before", a->slurm.signal_before,
                   "seconds before the time limit at which a worker is told to save")
      ->check(CLI::Range(1, 65535))
      ->capture_default_str();
  verb->add_option("--lease-seconds", a->slurm.lease_seconds,
                   "after how long without a sign of life a worker's job is another's. Default: as in `sweep work`")
      ->check(CLI::Range(0.1, 86400.0));
  verb->add_flag("--dry-run", a->dry_run, "print the batch script and the commands, submit nothing");
  verb->footer("  saltus sweep submit sweeps/seeds --partition short --time 02:00:00 --array-limit 16");
  return [a] { return submit(*a); };
}

Action add_cancel(CLI::App& sweep) {
  auto folder = std::make_shared<std::string>();
  CLI::App* verb =
      sweep.add_subcommand("cancel", "take a sweep's workers off the cluster; runs are saved and can go on");
  verb->add_option("folder", *folder, "the sweep's folder")->required();
  verb->footer("  saltus sweep cancel sweeps/seeds");
  return [folder] { return cancel(*folder); };
}

}  // namespace saltus::cli
