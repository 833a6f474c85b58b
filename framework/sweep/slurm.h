#pragma once
#include <optional>
#include <string>
#include <vector>

/// Slurm as a launcher of a sweep's workers: an array job whose every task is a pull worker over the sweep's manifest.
/// Which jobs there are, and who works on which, is the manifest's and the leases' affair; nothing here knows it.
namespace saltus::slurm {

struct Options {
  std::string partition, account;  // empty: the cluster's default
  std::string time;                // limit of one task in any of sbatch's forms; empty: the partition's default
  int cpus = 1;                    // of one task; its worker trains with as many threads
  int workers = 1;                 // array tasks
  int array_limit = 0;             // how many of them may run at once; 0: all
  int signal_before = 120;         // seconds before the time limit at which a worker is told to save and stop
  double lease_seconds = 0;        // of `sweep work`; 0: its default
};

/// Throws Error (bad_input) where sbatch would only fail later: a time limit that it cannot read, or one that leaves no
/// time to work before the signal (which may come up to a minute early).
void check_options(const Options& options);

/// How many tasks each array has when a cluster whose MaxArraySize is `max_array_size` runs `workers` of them: as few
/// arrays as possible, and those as equal as possible, largest first. Throws Error where the cluster allows no arrays.
std::vector<int> array_sizes(int workers, int max_array_size);

/// The batch script: `program` works on the sweep in `folder` (both absolute), in an array of `tasks`. Throws Error
/// (bad_input) for a folder whose name sbatch cannot read (a backslash or a line break).
std::string script(const Options& options, const std::string& program, const std::string& folder, int tasks);

/// The command that submits one array, of `tasks` tasks. With an array limit the arrays run one after the other
/// (`previous` is the job before, empty for the first), so that the limit holds for all of them together.
std::vector<std::string> sbatch_arguments(const Options& options, const std::string& folder, int tasks,
                                          const std::string& previous);

/// What submitting would do, for people to read: the script and the commands. Without Slurm on this machine its default
/// MaxArraySize is taken.
std::string dry_run(const Options& options, const std::string& program, const std::string& folder);

/// Writes <folder>/slurm/submit.sbatch, submits it and adds what was submitted to <folder>/slurm.json; returns the
/// jobs' ids. Throws Error: bad_input without sbatch on this machine, failed with sbatch's own words when it refuses;
/// arrays that were submitted before it did so stay, and are on record.
std::vector<std::string> submit(const Options& options, const std::string& program, const std::string& folder);

/// What Slurm knows of a sweep's workers now.
struct Queue {
  std::vector<std::string> jobs;             // ids that were ever submitted
  std::vector<std::string> live;             // those of them that Slurm still has
  int running = 0, waiting = 0, ending = 0;  // tasks
  std::string reason;                        // why the first of the waiting ones waits, in Slurm's word
  std::string problem;                       // why Slurm could not be asked; empty when it could
};

/// Asks squeue, which costs the cluster's controller a request: not more than once in some seconds. Nothing when
/// nothing was ever submitted (no slurm.json). Throws Error only for a slurm.json that cannot be read.
std::optional<Queue> queue(const std::string& folder);

/// One line for people: "slurm: 4 workers running, 12 waiting (Resources); jobs 17, 18".
std::string describe(const Queue& queue);

/// Cancels the submitted jobs that Slurm still has, by id. Running workers are told to save their run and stop. Returns
/// the ids. Throws Error: bad_input when nothing was submitted, failed when Slurm cannot be asked or refuses.
std::vector<std::string> cancel(const std::string& folder);

}  // namespace saltus::slurm
