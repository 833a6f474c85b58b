#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "core/check.h"
#include "core/thread_pool.h"
#include "train/config.h"
#include "train/evaluator.h"
#include "train/jump_watch.h"
#include "train/progress_line.h"
#include "train/recorder.h"
#include "train/resume.h"
#include "train/stop_condition.h"
#include "train/trainer.h"

namespace saltus {

/// The share of a run's time that saving its state may take: a state waits for the disk, which in the run of a small
/// model would be most of the time. One that is due at a step is left out while it would cost more.
inline constexpr double kMostOfTimeSaving = 0.005;

/// One run but for its steps, which somebody else takes, alone or together with other runs': at their cadence it
/// evaluates, takes snapshots and saves, before each step.
///
///     RunLoop run(config, options, pool);
///     run.open();
///     while (run.ready()) run.take(step.run(run.step()), update);
///     run.finish();
class RunLoop {
 public:
  /// Builds it all and touches no file: what cannot be built leaves a run that the folder holds as it is. `config`,
  /// `options` and `pool` outlive the run.
  RunLoop(const TrainConfig& config, const RunOptions& options, ThreadPool& pool);
  /// Begins the run folder, or what it has to go on from. Throws Error (interrupted), and begins nothing, when a signal
  /// asked for a stop.
  void open();

  /// Whether there is a step to take; before it, what is due is done. False when the run is at its end, or when a
  /// signal asked for a stop and its state is saved. Throws Error when the folder cannot be written.
  bool ready();

  Experiment& experiment() { return *experiment_; }
  const TrainConfig& config() const { return config_; }
  std::int64_t step() const { return step_; }

  using Update = std::function<Optimizer::StepResult(Optimizer& optimizer, std::int64_t step)>;
  /// The step's mean loss, and how to update the parameters by it.
  void take(double loss, const Update& update);

  /// Writes the last run.h5 and says how the run ended.
  RunReport finish();
  /// Ends a run that threw: what was measured up to a divergence is worth keeping; after any other failure the last
  /// good run.h5 stays as it is.
  void fail(const Error& error);

 private:
  bool may_save() const;
  bool snapshot_due() const;
  void evaluate();
  void save();
  void restore(const StateArchive& state);
  void close(RunStatus status);
  std::span<float> parameters();
  std::span<float> optimizer_block(std::size_t i);
  /// Spent by this process.
  double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }

  const TrainConfig& config_;
  const RunOptions& options_;
  ThreadPool& pool_;
  std::unique_ptr<Experiment> experiment_;
  StopCondition stop_;
  Optimizer optimizer_;
  Evaluator evaluator_;
  JumpWatch jumps_;
  RecentSnapshots recent_;
  RunOrigin origin_;
  std::optional<Recorder> recorder_;  // these from open() on
  std::optional<ProgressLine> line_;
  RunReport report_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::int64_t first_step_ = 0, step_ = 0;
  double loss_ = 0, loss_sum_ = 0, loss_count_ = 0;
  double jump_band_end_ = -1;            // evaluations up to here get a snapshot
  double saved_at_ = 0, save_cost_ = 0;  // seconds() after the last save, and what it took
};

}  // namespace saltus
