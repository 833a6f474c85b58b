#pragma once
#include <optional>
#include <string>
#include <vector>

#include "probes/jump.h"
#include "train/config.h"
#include "train/state_archive.h"

namespace saltus {

/// Follows one measure over a run's evaluations and says when a jump of it is over. After a jump it looks for the next one in what
/// comes behind it.
class JumpWatch {
 public:
  explicit JumpWatch(const JumpConfig& config) : config_(config) {}

  /// The jump that became certain with this evaluation, if one did.
  std::optional<Jump> observe(std::int64_t step, double value);

  void save(StateArchive& state) const;
  void restore(const StateArchive& state);

 private:
  JumpConfig config_;
  std::vector<double> steps_, values_;  // since the last jump
};

/// The parameters at the latest evaluations, as files in <run>/recent, so that a jump can be written at the resolution of evaluations
/// although nobody knew when it would come. Files are removed only when the run's saved state no longer needs them: a resumed run
/// finds what it had.
class RecentSnapshots {
 public:
  RecentSnapshots(const std::string& run_folder, std::int64_t capacity);

  /// Adds a snapshot; the oldest beyond `capacity` are forgotten.
  void keep(std::int64_t step, std::span<const float> parameters);
  /// Steps of the snapshots, rising.
  const std::vector<std::int64_t>& steps() const { return steps_; }
  /// Reads one; false when its file is not whole, as a power cut may leave it.
  bool load(std::int64_t step, std::span<float> parameters) const;

  /// Removes the files of forgotten snapshots. To be called when a state that does not name them has been saved.
  void prune() const;
  void save(StateArchive& state) const;
  void restore(const StateArchive& state);

 private:
  std::string path(std::int64_t step) const;

  std::string folder_;
  std::int64_t capacity_;
  std::vector<std::int64_t> steps_;
};

}  // namespace saltus
