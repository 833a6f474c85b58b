#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sweep/manifest.h"
#include "sweep/merge.h"
#include "train/attributes.h"

namespace saltus {

/// One fact a job, in the manifest's order.
struct JobTexts {
  std::string name, long_name;
  std::vector<std::string> values;
};

/// A new sweep.h5 (docs/sweep_file.md): each group has the sweep's axes, then its growing dimension, then a variable's
/// own. What is never put stays NaN. Written beside `path`, synced and renamed over it by finish(); before that, and
/// when anything throws Error, what was at `path` stays.
class SweepFile {
 public:
  SweepFile(const std::string& path, const Manifest& manifest, const std::vector<MergedTable>& groups,
            const std::vector<JobTexts>& texts, const Attributes& attributes);
  ~SweepFile();
  SweepFile(const SweepFile&) = delete;
  SweepFile& operator=(const SweepFile&) = delete;

  /// All of one job's entries of a variable: [merged.steps, the variable's dims].
  void put(std::size_t group, std::size_t variable, const SweepJob& job, std::span<const double> values);
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace saltus
