#include "train/trainer.h"

#include <fmt/format.h>

#include <chrono>

#include "core/check.h"
#include "train/evaluator.h"
#include "train/progress_line.h"
#include "train/recorder.h"
#include "train/signals.h"
#include "train/stop_condition.h"
#include "train/train_step.h"

namespace saltus {
namespace {

int thread_count(int asked, std::int64_t shards) {
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return static_cast<int>(std::min<std::int64_t>(asked > 0 ? asked : cores, shards));
}

std::vector<std::string> headline_labels(const Experiment& experiment) {
  std::vector<std::string> labels;
  for (const Experiment::Headline& h : experiment.headlines) labels.push_back(h.set);
  return labels;
}

/// The loop of one run: sample, forward, backward, update; at their cadence evaluate and snapshot.
class Trainer {
 public:
  Trainer(const TrainConfig& config, const RunOptions& options)
      : config_(config), pool_(thread_count(options.threads, config.shards)), experiment_(build_experiment(config)),
        stop_(config.stop_when, *experiment_), train_step_(*experiment_, config, pool_),
        optimizer_(config.optimizer, static_cast<std::size_t>(experiment_->params.block_size())),
        evaluator_(*experiment_, config.eval.size, pool_), recorder_(options, config, *experiment_),
        line_(options.quiet ? nullptr : stderr, 0, config.steps, headline_labels(*experiment_)) {}

  RunReport run() {
    const StopSignals signals;
    try {
      loop();
    } catch (const Error& e) {
      line_.break_line();
      // What was measured up to a divergence is worth keeping; after any other failure the last good run.h5 stays as it is.
      if (e.code() == ExitCode::diverged) finish(RunStatus::diverged);
      throw;
    }
    line_.finish(step_, loss_);
    report_.interrupted = step_ != config_.steps && !stop_.met();
    report_.stop_reason = stop_.met() ? stop_.str() : report_.interrupted ? "stopped by a signal" : "all steps done";
    finish(report_.interrupted ? RunStatus::interrupted : RunStatus::done);
    return report_;
  }

 private:
  void loop() {
    for (;; ++step_) {
      if (step_ % config_.eval.every == 0 || step_ == config_.steps) evaluate(step_);
      const bool last = step_ == config_.steps || stop_.met() || StopSignals::received() != 0;
      if (last || config_.checkpoints.due(step_)) recorder_.snapshot(step_);
      if (last) return;
      take_step(step_);
      recorder_.flush_if_due();
      line_.update(step_ + 1, loss_);
    }
  }

  void finish(RunStatus status) {
    report_.steps = step_;
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    recorder_.finish(status, report_.seconds, step_);
  }

  void take_step(std::int64_t step) {
    loss_ = train_step_.run(step);
    loss_sum_ += loss_;
    ++loss_count_;
    const Optimizer::StepResult update = optimizer_.step(
        step, config_.steps, experiment_->params.values(), train_step_.gradients(), train_step_.scale(),
        [this](std::size_t n, const Optimizer::Range& f) {
          const auto parts = static_cast<std::size_t>(pool_.threads());
          pool_.run(pool_.threads(), [&](int i, int) { f(n * static_cast<std::size_t>(i) / parts, n * static_cast<std::size_t>(i + 1) / parts); });
        });
    if (step % config_.log.every != 0) return;
    recorder_.train_row(step, loss_sum_ / static_cast<double>(loss_count_), update.learning_rate, update.grad_norm);
    loss_sum_ = 0;
    loss_count_ = 0;
  }

  void evaluate(std::int64_t step) {
    const Evaluator::Result result = evaluator_.run();
    recorder_.evaluation(step, result);
    stop_.observe(result);
    std::vector<double> values;
    for (const Experiment::Headline& h : experiment_->headlines) {
      values.push_back(result.eval[static_cast<std::size_t>(eval_set_index(*experiment_->task, h.set))][measure_index(*experiment_->eval, h.measure)]);
    }
    line_.set_headlines(values);
    if (!values.empty()) watch_jump(step, values[0]);
  }

  void watch_jump(std::int64_t step, double value) {
    if (report_.jump_step < 0 && value > 0.5 && step > 0) {
      const double share = (0.5 - headline_) / (value - headline_);
      report_.jump_measure = fmt::format("{} {}", experiment_->headlines[0].set, experiment_->headlines[0].measure);
      report_.jump_step = static_cast<double>(step) - (1 - share) * static_cast<double>(step - headline_step_);
    }
    headline_ = value;
    headline_step_ = step;
  }

  const TrainConfig& config_;
  ThreadPool pool_;
  std::unique_ptr<Experiment> experiment_;
  StopCondition stop_;
  TrainStep train_step_;
  Optimizer optimizer_;
  Evaluator evaluator_;
  Recorder recorder_;
  ProgressLine line_;
  RunReport report_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::int64_t step_ = 0;
  double loss_ = 0, loss_sum_ = 0, headline_ = 0;
  std::int64_t loss_count_ = 0, headline_step_ = 0;
};

}  // namespace

RunReport train(const TrainConfig& config, const RunOptions& options) { return Trainer(config, options).run(); }

}  // namespace saltus
