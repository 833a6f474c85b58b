#include "sweep/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "sweep/lease.h"
#include "sweep/process.h"
#include "sweep/sweep_training.h"
#include "train/journal.h"
#include "train/posix.h"
#include "train/provenance.h"

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
      const std::int64_t left =
          options_.max_jobs == 0 ? std::numeric_limits<std::int64_t>::max() : options_.max_jobs - done;
      if (std::vector<Taken> taken = take(left); !taken.empty()) {
        train(taken);
        done += static_cast<std::int64_t>(taken.size());
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

  /// A job with the lease on it.
  struct Taken {
    const SweepJob* job;
    Lease lease;
  };

  /// A worker's share of the jobs that are open or being trained, the one that it has just taken among them.
  std::int64_t share() {
    const auto left = std::ranges::count_if(sweep_.jobs(), [this](const SweepJob& job) {
      const JobState state = sweep_.state(job);
      return is_open(state) || state == JobState::running;
    });
    return (left + options_.workers - 1) / options_.workers;
  }

  /// The next open job and those that should be trained with it, up to `most` in all; nothing when none is open.
  std::vector<Taken> take(std::int64_t most) {
    std::vector<Taken> taken;
    for (const SweepJob& job : sweep_.jobs()) {
      if (note(signals_.wait(Seconds(0)))) return {};
      if (static_cast<std::int64_t>(taken.size()) == most) break;
      if (!taken.empty() && (job.step.name != taken[0].job->step.name || alone_.contains(job.id))) continue;
      if (!is_open(sweep_.state(job))) continue;
      std::optional<Lease> lease = Lease::acquire(sweep_.lease_path(job.id), options_.lease_seconds);
      // Between the look and the lease, another worker may have been at the job.
      if (!lease || !is_open(sweep_.state_under_lease(job))) continue;
      const bool alone = job.step.at_once == 1 || alone_.contains(job.id);
      if (taken.empty()) most = alone ? 1 : std::min({most, share(), std::int64_t{job.step.at_once}});
      taken.push_back({&job, std::move(*lease)});
    }
    return taken;
  }

  bool note(int signal) {
    stopped_ = stopped_ || signal == SIGINT || signal == SIGTERM;
    return stopped_;
  }

  std::string config_path(const SweepJob& job) const { return fmt::format("{}/jobs/{}.yaml", sweep_.folder(), job.id); }

  std::vector<std::string> arguments_alone(const SweepJob& job) const {
    const std::string run = sweep_.run_folder(job.id);
    posix::replace_file(config_path(job), {std::as_bytes(std::span(job.config_yaml))});
    const bool begun = sweep_.was_begun(job);
    std::vector<std::string> all = {"train", config_path(job), "--out", run};
    if (begun && sweep_.can_resume(job, program_)) {
      all = {"train", "--resume", run};
    } else if (begun) {
      all.push_back("--overwrite");
    }
    all.insert(all.end(), {"--threads", std::to_string(options_.threads), "--quiet"});
    return all;
  }

  std::vector<std::string> arguments_together(const std::vector<Taken>& taken) const {
    std::vector<std::string> all = {"sweep", "train", sweep_.folder(), "--threads", std::to_string(options_.threads)};
    for (const Taken& t : taken) all.push_back(t.job->id);
    return all;
  }

  /// A killed worker's training is killed with it, but may take a moment longer to be gone. False when a lease was lost
  /// meanwhile.
  bool wait_for_predecessors(std::vector<Taken>& taken) {
    const auto start = std::chrono::steady_clock::now();
    auto renewed = start;
    for (const Taken& t : taken) {
      const std::string journal = sweep_.run_folder(t.job->id) + "/journal.bin";
      while (Journal::is_open_elsewhere(journal) && std::chrono::steady_clock::now() - start < most_time_to_die &&
             !stopped_) {
        note(signals_.wait(std::chrono::milliseconds(10)));
        if (std::chrono::steady_clock::now() - renewed < Seconds(options_.lease_seconds / 4)) continue;
        renewed = std::chrono::steady_clock::now();
        if (!renew(taken)) return false;
      }
    }
    return true;
  }

  /// Whether all of them could be; the others are another worker's now.
  bool renew(std::vector<Taken>& taken) const {
    bool all = true;
    for (Taken& t : taken) {
      if (t.lease.renew()) continue;
      print(fmt::format("lost {}: this worker was taken for dead, and another has the job", t.job->name()));
      all = false;
    }
    return all;
  }

  JobRecord begin_attempt(const SweepJob& job) {
    JobRecord record = sweep_.record(job.id);
    ++record.attempts;
    record.last_exit_code.reset();
    record.last_error.clear();
    record.started = utc_now();
    record.ended.clear();
    record.worker = this_worker();
    sweep_.save_record(job.id, record);
    return record;
  }

  void train(std::vector<Taken>& taken) {
    if (!wait_for_predecessors(taken) || stopped_) return;
    std::vector<JobRecord> records;
    for (const Taken& t : taken) records.push_back(begin_attempt(*t.job));

    const auto start = std::chrono::steady_clock::now();
    Child child(taken.size() == 1 ? arguments_alone(*taken[0].job) : arguments_together(taken), SIGKILL, true);
    if (!watch(child, taken)) return;
    const double seconds =
        Seconds(std::chrono::steady_clock::now() - start).count() / static_cast<double>(taken.size());
    for (std::size_t i = 0; i < taken.size(); ++i) {
      const SweepJob& job = *taken[i].job;
      const TrainingEnd end =
          taken.size() == 1 ? TrainingEnd{exit_code(child), child.error_tail()} : end_together(job, child);
      records[i].last_exit_code = end.code;
      records[i].last_error = end.error;
      records[i].ended = utc_now();
      records[i].seconds += seconds;
      sweep_.save_record(job.id, records[i]);
      std::error_code ignored;  // what is left behind costs room, nothing else
      std::filesystem::remove(config_path(job), ignored);
      report(job, records[i]);
    }
  }

  struct TrainingEnd {
    std::optional<int> code;  // nothing: the job is open again
    std::string error;
  };

  /// How one of several trained together ended: as the process says (sweep_training.h). Where it was ended by something
  /// else, no job can be blamed, and those that are not done are trained alone.
  TrainingEnd end_together(const SweepJob& job, Child& child) {
    if (const std::optional<FailedTraining> failed = failure_of(job.id, child.all_errors()))
      return {failed->code, failed->message};
    if (sweep_.state_under_lease(job) == JobState::done) return {static_cast<int>(ExitCode::ok), ""};
    const int code = exit_code(child);
    if (code == static_cast<int>(ExitCode::interrupted)) return {code, ""};
    alone_.insert(job.id);
    return {std::nullopt, ""};
  }

  /// Returns when the child has ended, renewing the leases and passing signals on meanwhile; or false, the child
  /// killed, when a lease is lost.
  bool watch(Child& child, std::vector<Taken>& taken) {
    bool lost = false;
    while (!child.ended()) {
      const int signal = signals_.wait(Seconds(options_.lease_seconds / 4));
      // The first time as SIGINT: a batch system may send SIGTERM to all processes, and two of a kind would end the
      // training at once.
      if (signal == SIGINT || signal == SIGTERM) child.signal(stopped_ ? SIGKILL : SIGINT);
      note(signal);
      if (!lost && !renew(taken)) {
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
    if (!record.last_exit_code)
      return print(
          fmt::format("open again   {}  {}: what it was trained with ended, it is tried alone", job.id, job.name()));
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
  std::set<std::string> alone_;  // jobs that are not to be trained with others
  bool stopped_ = false;
};

}  // namespace

ExitCode work(Sweep& sweep, const WorkerOptions& options) { return Worker(sweep, options).run(); }

}  // namespace saltus
