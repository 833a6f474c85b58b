#pragma once
#include <optional>
#include <string>
#include <vector>

#include "train/batch_buffers.h"
#include "train/config.h"
#include "train/evaluator.h"
#include "train/jump_watch.h"
#include "train/run_file.h"
#include "train/tables.h"
#include "train/trainer.h"

namespace saltus {

/// Puts what a trainer has into a run folder: config.yaml and run.h5 with the tables of docs/run_file.md.
class Recorder {
 public:
  /// Makes the folder; throws Error when it holds a run already (bad_input) or cannot be written. With `resume_at`, goes on with the
  /// run that it holds, from what was recorded before that step.
  Recorder(const RunOptions& options, const TrainConfig& config, Experiment& experiment, ThreadPool& pool, std::optional<std::int64_t> resume_at);

  void train_row(std::int64_t step, double loss, double learning_rate, double grad_norm);
  void evaluation(std::int64_t step, const Evaluator::Result& result);
  /// All weights, and attention and logits on the probe batch. Nothing when the step has its snapshot already.
  void snapshot(std::int64_t step);
  /// A jump, and a snapshot of every recent evaluation around it that has none yet.
  void event(std::int64_t seen_at, const Jump& jump, const RecentSnapshots& recent);

  /// Makes everything so far survive a power cut.
  void sync() { file_.sync(); }
  /// To be called often: puts on disk what log.flush_seconds and run.h5's own pace ask for.
  void flush_if_due();
  /// Writes the last run.h5.
  void finish(RunStatus status, double seconds, std::int64_t steps);

 private:
  /// A forward pass on a fixed batch of the progress set, with every layer's full pattern and the logits.
  struct ProbePass {
    Plan plan;
    BatchBuffers buffers;
    PatternSize pattern;
    Shape output;
    ProbePass(const Graph& graph, Experiment& experiment, std::int64_t probes);
  };
  static ProbePass compile_probes(Experiment& experiment, std::int64_t probes);
  bool has_snapshot(std::int64_t step) const;
  RunFile open(const RunOptions& options, const TrainConfig& config, ThreadPool& pool, std::optional<std::int64_t> resume_at) const;

  Experiment& experiment_;
  ProbePass probes_;
  RunFile file_;
};

/// The folder a run goes to when none is named: runs/<config's name>-<first 8 digits of the resolved config's SHA-256>, so that one
/// config has one folder and two configs never share one.
std::string default_folder(const std::string& config_path, const TrainConfig& config);

}  // namespace saltus
