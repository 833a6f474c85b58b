#pragma once
#include <string>
#include <vector>

#include "sweep/jobs.h"

namespace saltus {

/// What became of a sweep's jobs when its runs were put together.
struct CollectReport {
  struct Job {
    std::string id, name;  // "model.n_heads=2 seed=3"
    std::string why;       // "interrupted", or why its file could not be used
  };
  std::string file;
  std::size_t collected = 0;  // jobs whose measures are in the file, the diverged ones among them
  std::vector<Job> diverged;  // up to where they diverged
  std::vector<Job> missing;   // all NaN
};

/// Where a sweep's measures go when no file is named: <folder>/sweep.h5.
std::string default_sweep_file(const std::string& sweep_folder);

/// Puts train, eval, progress and events of all runs that are over into one file, as docs/sweep_file.md says. Runs are
/// read one by one, in the manifest's order: memory is that of one variable of one run, and equal runs give equal files
/// whenever and by whomever they were made. The file is replaced at the end, or, when this throws Error (no run is
/// over, the disk is full), stays as it was.
CollectReport collect(Sweep& sweep, const std::string& file);

}  // namespace saltus
