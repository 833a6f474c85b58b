#pragma once
#include <array>
#include <optional>
#include <string>
#include <unordered_map>

#include "sweep/manifest.h"

namespace saltus {

/// What is known of a job, from its files alone:
///     done, diverged  its run.h5 says so, and is of its config
///     running         a live lease
///     failed          its last attempt ended otherwise, and nobody asked for another
///     interrupted     its run was begun, and goes on from its last saved state
///     pending         nothing yet
enum class JobState { pending, running, done, diverged, failed, interrupted };
inline constexpr std::array kJobStates = {JobState::pending,  JobState::running, JobState::done,
                                          JobState::diverged, JobState::failed,  JobState::interrupted};
const char* name_of(JobState state);

/// jobs/<id>.json: what workers know of a job beyond its run.h5. Written by the holder of its lease only.
struct JobRecord {
  std::int64_t attempts = 0;
  std::optional<int> last_exit_code;  // nothing while an attempt goes on, after its worker died, and after a retry
  std::string last_error;             // the end of what the last attempt said on stderr
  std::string started, ended;         // of the last attempt, UTC; ended is empty until then
  std::string worker;                 // "host pid" of the last attempt
  double seconds = 0;                 // of all attempts that ended
};

/// A sweep's folder: manifest.json, runs/<id>/, jobs/<id>.json, leases/<id>.
class Sweep {
 public:
  /// Loads the manifest; throws Error (bad_input) when there is none.
  explicit Sweep(std::string folder);

  const std::string& folder() const { return folder_; }
  const Manifest& manifest() const { return manifest_; }
  const std::vector<SweepJob>& jobs() const { return manifest_.jobs; }

  std::string run_folder(const std::string& id) const { return folder_ + "/runs/" + id; }
  std::string record_path(const std::string& id) const { return folder_ + "/jobs/" + id + ".json"; }
  std::string lease_path(const std::string& id) const { return folder_ + "/leases/" + id; }

  /// Remembers what is done or has diverged, since that does not change any more.
  JobState state(const SweepJob& job);
  /// The state that a job would have without the lease on it: for who holds that.
  JobState state_under_lease(const SweepJob& job);
  /// An empty one when there is no file, or one that a crash of the machine left damaged.
  JobRecord record(const std::string& id) const;
  void save_record(const std::string& id, const JobRecord& record) const;

  /// Whether the run folder holds this job's config: then its run was begun.
  bool was_begun(const SweepJob& job) const;
  /// Whether that run can be gone on with by this program, whose SHA-256 it is: not when another build saved its state,
  /// or when that is damaged.
  bool can_resume(const SweepJob& job, const std::string& program) const;

  /// Makes a failed (or, asked for, diverged) job pending or interrupted again; the run of a diverged one is removed.
  /// False, and nothing is changed, when the job is in another state or a worker has it.
  bool retry(const SweepJob& job, bool also_diverged);

 private:
  std::string folder_;
  Manifest manifest_;
  std::unordered_map<std::string, JobState> ended_;
};

/// Creates the sweep in a folder, made if missing, or finds that it holds the same one. Runs of jobs that are part of
/// both the sweep that it held and the new one stay and count. Throws Error (bad_input) when the folder holds another
/// sweep that a worker is at.
enum class Created { anew, same, replaced, same_by_another_program };
Created create_sweep(const std::string& folder, const Manifest& manifest);

/// Where a sweep goes when no folder is named: sweeps/<the config's name>.
std::string default_sweep_folder(const std::string& config_path);

}  // namespace saltus
