#include "sweep/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <optional>

#include "sweep/lease.h"
#include "sweep/process.h"
#include "train/journal.h"
#include "train/posix.h"
#include "train/provenance.h"
#include "train/resume.h"

namespace saltus {
namespace {

using Seconds = std::chrono::duration<double>;

constexpr Seconds pause_between_looks{0.2};
constexpr Seconds most_time_to_die{10};

class Worker {
 public:
  Worker(Sweep& sweep, const WorkerOptions& options) : sweep_(sweep), options_(options) {
    check_input(sweep.manifest().program_sha256 == program_,
                "{} was created by another build of saltus, and runs of two builds are not comparable: "
                "`saltus sweep create` makes it this one's, and keeps what is done",
                sweep.folder());
  }

  ExitCode run() {
    for (std::int64_t done = 0; !stopped_ && (options_.max_jobs == 0 || done < options_.max_jobs);) {
      if (options_.stop_on_error && any_in({JobState::failed, JobState::diverged})) break;
      if (take_and_train()) {
        ++done;
      } else if (options_.stay && any_in({JobState::running, JobState::pending, JobState::interrupted})) {
        // Open ones count, too: their worker may have died since they were looked at.
        note(signals_.wait(pause_between_looks));
      } else {
        break;
      }
    }
    if (stopped_) return ExitCode::interrupted;
    return any_in({JobState::failed, JobState::diverged}) ? ExitCode::failed : ExitCode::ok;
  }

 private:
  bool any_in(std::initializer_list<JobState> states) {
    return std::ranges::any_of(sweep_.jobs(), [&](const SweepJob& job) {
      return std::ranges::find(states, sweep_.state(job)) != states.end();
    });
  }

  static bool is_open(JobState state) { return state == JobState::pending || state == JobState::interrupted; }

  /// Whether there was a job.
  bool take_and_train() {
    for (const SweepJob& job : sweep_.jobs()) {
      if (note(signals_.wait(Seconds(0)))) return true;
      if (!is_open(sweep_.state(job))) continue;
      std::optional<Lease> lease = Lease::acquire(sweep_.lease_path(job.id), options_.lease_seconds);
      // Between the look and the lease, another worker may have been at the job.
      if (!lease || !is_open(sweep_.state_under_lease(job))) continue;
      train(job, *lease);
      return true;
    }
    return false;
  }

  bool note(int signal) {
    stopped_ = stopped_ || signal == SIGINT || signal == SIGTERM;
    return stopped_;
  }

  /// Whether a run can be gone on with: not when another build saved its state, or when that is damaged.
  bool can_resume(const std::string& run) const {
    try {
      const std::optional<StateArchive> state = StateArchive::read(state_path(run));
      return !state || state->text("program") == program_;
    } catch (const Error&) {
      return false;
    }
  }

  std::vector<std::string> arguments(const SweepJob& job, const std::string& config_path) const {
    const std::string run = sweep_.run_folder(job.id);
    const bool begun = sweep_.was_begun(job);
    std::vector<std::string> all = {"train", config_path, "--out", run};
    if (begun && can_resume(run)) {
      all = {"train", "--resume", run};
    } else if (begun) {
      all.push_back("--overwrite");
    }
    all.insert(all.end(), {"--threads", std::to_string(options_.threads), "--quiet"});
    return all;
  }

  /// A killed worker's training is killed with it, but may take a moment longer to be gone.
  void wait_for_predecessor(const SweepJob& job) {
    const Seconds limit =
        std::min(most_time_to_die, Seconds(options_.lease_seconds / 2));  // the lease is not renewed here
    const std::string journal = sweep_.run_folder(job.id) + "/journal.bin";
    const auto start = std::chrono::steady_clock::now();
    while (Journal::is_open_elsewhere(journal) && std::chrono::steady_clock::now() - start < limit && !stopped_) {
      note(signals_.wait(std::chrono::milliseconds(10)));
    }
  }

  void train(const SweepJob& job, Lease& lease) {
    wait_for_predecessor(job);
    if (stopped_) return;
    const std::string config_path = fmt::format("{}/jobs/{}.yaml", sweep_.folder(), job.id);
    posix::replace_file(config_path, {std::as_bytes(std::span(job.config_yaml))});
    JobRecord record = sweep_.record(job.id);
    ++record.attempts;
    record.last_exit_code.reset();
    record.last_error.clear();
    record.started = utc_now();
    record.ended.clear();
    record.worker = this_worker();
    sweep_.save_record(job.id, record);

    const auto start = std::chrono::steady_clock::now();
    Child child(arguments(job, config_path), SIGKILL, true);
    if (!watch(child, lease)) {
      print(fmt::format("lost {}: this worker was taken for dead, and another has the job", job.name()));
      return;
    }
    record.last_exit_code = exit_code(child);
    record.last_error = child.error_tail();
    record.ended = utc_now();
    record.seconds += Seconds(std::chrono::steady_clock::now() - start).count();
    sweep_.save_record(job.id, record);
    std::error_code ignored;  // what is left behind costs room, nothing else
    std::filesystem::remove(config_path, ignored);
    report(job, record);
  }

  /// Returns when the child has ended, renewing the lease and passing signals on meanwhile; or false, the child killed,
  /// when the lease is lost.
  bool watch(Child& child, Lease& lease) {
    bool lost = false;
    while (!child.ended()) {
      const int signal = signals_.wait(Seconds(options_.lease_seconds / 4));
      // The first time as SIGINT: a batch system may send SIGTERM to all processes, and two of a kind would end the
      // training at once.
      if (signal == SIGINT || signal == SIGTERM) child.signal(stopped_ ? SIGKILL : SIGINT);
      note(signal);
      if (!lost && !lease.renew()) {
        lost = true;
        child.signal(SIGKILL);
      }
    }
    return !lost;
  }

  /// A training that was ended by the signal passed on to it, before it could save, is interrupted like one that saved.
  int exit_code(Child& child) const {
    const int code = *child.ended();
    const bool by_signal = code == 128 + SIGINT || code == 128 + SIGTERM || code == 128 + SIGKILL;
    return stopped_ && by_signal ? static_cast<int>(ExitCode::interrupted) : code;
  }

  void report(const SweepJob& job, const JobRecord& record) {
    const char* how = "failed";
    if (*record.last_exit_code == static_cast<int>(ExitCode::ok)) how = "done";
    if (*record.last_exit_code == static_cast<int>(ExitCode::diverged)) how = "diverged";
    if (*record.last_exit_code == static_cast<int>(ExitCode::interrupted)) how = "interrupted";
    print(fmt::format("{:<11}  {}  {}  {:.1f} s{}{}", how, job.id, job.name(), record.seconds,
                      record.last_error.empty() ? "" : "\n  ", record.last_error));
  }

  void print(const std::string& line) const {
    if (options_.quiet) return;
    fmt::print("{}\n", line);
    std::fflush(stdout);
  }

  Sweep& sweep_;
  const WorkerOptions& options_;
  const std::string program_ = file_sha256("/proc/self/exe");
  SignalQueue signals_;
  bool stopped_ = false;
};

}  // namespace

ExitCode work(Sweep& sweep, const WorkerOptions& options) { return Worker(sweep, options).run(); }

}  // namespace saltus
