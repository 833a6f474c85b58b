#include "cli/bench_recording.h"

#include <cmath>

#include "cli/bench_step.h"
#include "data/text/files.h"
#include "train/run_loop.h"
#include "train/recorder.h"
#include "train/resume.h"

namespace saltus::cli {
namespace {

constexpr int repetitions = 5;
constexpr double enough_ms = 500;  // a slow evaluation is timed once

/// How often a step is due, as a share of the config's steps; the first million stand for more.
template <class Due>
double frequency(std::int64_t steps, const Due& due) {
  const std::int64_t n = std::max<std::int64_t>(1, std::min<std::int64_t>(steps, 1000000));
  double found = 0;
  for (std::int64_t step = 0; step < n; ++step) found += due(step) ? 1 : 0;
  return found / static_cast<double>(n);
}

/// What a run uses, in a folder of its own.
class RunPieces {
 public:
  RunPieces(const TrainConfig& config, int threads)
      : config_(config),
        pool_(threads),
        experiment_(experiment_without_references(config)),
        optimizer_(config.optimizer, static_cast<std::size_t>(experiment_->params.block_size())),
        evaluator_(*experiment_, config.eval.size, pool_),
        options_(begin()),
        recorder_(options_, config, *experiment_, pool_, std::nullopt),
        recent_(options_.folder, config.jumps.recent) {}

  void evaluate(std::int64_t step) {
    recorder_.evaluation(step, evaluator_.run());
    recent_.keep(step, parameters());
  }
  void row(std::int64_t step) { recorder_.train_row(step, 1, 1, 1); }
  void snapshot(std::int64_t step) { recorder_.snapshot(step); }
  void rewrite() { recorder_.flush_if_due(); }
  /// As the trainer does it: the rows first, then parameters and the optimizer's moments.
  void save_state() {
    recorder_.sync();
    StateArchive state;
    stamp(state, config_, options_.origin);
    state.set("parameters", std::span<const float>(parameters()));
    for (std::size_t i = 0; i < optimizer_.state().size(); ++i) {
      const AlignedBlock& block = optimizer_.state()[i];
      state.set("optimizer." + std::to_string(i),
                std::span<const float>(block.floats(), block.bytes() / sizeof(float)));
    }
    recent_.save(state);
    state.write(state_path(options_.folder));
    recent_.prune();
  }

 private:
  /// References are measured once a run.
  static std::unique_ptr<Experiment> experiment_without_references(const TrainConfig& config) {
    std::unique_ptr<Experiment> e = build_experiment(config);
    e->references.reset();
    e->facts.clear();
    return e;
  }
  RunOptions begin() const {
    RunOptions options;
    options.folder = (folder_.path() / "run").string();
    options.origin.created = "now";
    begin_run(options, config_);
    return options;
  }
  std::span<float> parameters() {
    return {experiment_->params.values(), static_cast<std::size_t>(experiment_->params.block_size())};
  }

  const TrainConfig& config_;
  TemporaryFolder folder_;
  ThreadPool pool_;
  std::unique_ptr<Experiment> experiment_;
  Optimizer optimizer_;
  Evaluator evaluator_;
  RunOptions options_;
  Recorder recorder_;
  RecentSnapshots recent_;
};

/// The median of f(0), f(1), ... in milliseconds, after one that is not counted unless it alone takes long enough.
template <class F>
double time_of(const F& f) {
  std::vector<double> ms;
  double total = 0;
  for (int i = 0; i <= repetitions && total < enough_ms; ++i) {
    ms.push_back(milliseconds([&] { f(i); }));
    total += ms.back();
  }
  if (ms.size() > 1) ms.erase(ms.begin());
  return median(ms);
}

}  // namespace

RecordingCost recording_cost(const TrainConfig& config, int threads, double step_ms) {
  RunPieces run(config, threads);
  RecordingCost cost{};
  cost.evaluation = time_of([&](int i) { run.evaluate(i); });
  constexpr int rows = 100;  // one takes microseconds
  cost.row = time_of([&](int i) {
               for (int n = 0; n < rows; ++n) run.row(i * rows + n);
             }) /
             rows;
  cost.snapshot = time_of([&](int i) { run.snapshot(i); });
  cost.saved_state = time_of([&](int) { run.save_state(); });
  cost.rewrite = milliseconds([&] { run.rewrite(); });

  cost.evaluation_per_step =
      cost.evaluation * frequency(config.steps, [&](std::int64_t step) { return config.eval.due(step); });
  const double snapshots = frequency(config.steps, [&](std::int64_t step) { return config.checkpoints.due(step); });
  const double states = config.steps > config.checkpoints.every ? cost.saved_state / static_cast<double>(config.checkpoints.every) : 0;
  const double rewrites = step_ms / (1e3 * rewrite_pause(config.log.flush_seconds, cost.rewrite / 1e3));
  cost.recording_per_step = cost.row / static_cast<double>(config.log.every) + snapshots * cost.snapshot +
                            std::min(states, kMostOfTimeSaving * step_ms) + rewrites * cost.rewrite;
  return cost;
}

}  // namespace saltus::cli
