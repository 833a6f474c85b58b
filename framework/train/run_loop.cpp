#include "train/run_loop.h"

#include <fmt/format.h>

#include <array>

#include "core/check.h"
#include "train/provenance.h"
#include "train/signals.h"

namespace saltus {
namespace {

RunOptions with_origin(RunOptions options, const RunOrigin& origin) {
  options.origin = origin;
  return options;
}

/// The saved state of a run that is to be resumed; a new run's folder is readied instead.
ResumePoint begin(const TrainConfig& config, const RunOptions& options, const Experiment& experiment) {
  ResumePoint point =
      options.resume ? resume_point(options, config, experiment) : ResumePoint{std::nullopt, options.origin};
  if (point.origin.created.empty()) point.origin.created = utc_now();
  if (!options.resume) begin_run(with_origin(options, point.origin), config);
  return point;
}

std::optional<std::int64_t> step_of(const ResumePoint& point) {
  if (!point.state) return std::nullopt;
  std::int64_t step = 0;
  point.state->get("step", std::span(&step, 1));
  return step;
}

}  // namespace

RunLoop::RunLoop(const TrainConfig& config, const RunOptions& options, ThreadPool& pool)
    : config_(config),
      options_(options),
      pool_(pool),
      experiment_(build_experiment(config)),
      stop_(config.stop_when, *experiment_),
      optimizer_(config.optimizer, static_cast<std::size_t>(experiment_->params.block_size())),
      evaluator_(*experiment_, config.eval.size, pool),
      jumps_(config.jumps),
      recent_(options.folder, config.jumps.recent) {}

void RunLoop::open() {
  if (StopSignals::received() != 0) throw Error("stopped before the run was begun", ExitCode::interrupted);
  ResumePoint point = begin(config_, options_, *experiment_);
  origin_ = point.origin;
  recorder_.emplace(with_origin(options_, origin_), config_, *experiment_, pool_, step_of(point));
  first_step_ = step_ = step_of(point).value_or(0);
  line_.emplace(options_.quiet ? nullptr : stderr, first_step_, config_.steps, experiment_->headlines);
  // Only now: a resume that was refused leaves everything as it was.
  if (options_.resume) write_config_file(options_.folder, config_);
  if (point.state) restore(*point.state);
  if (options_.on_start) options_.on_start(*experiment_);
}

bool RunLoop::ready() {
  const bool asked_to_stop = StopSignals::received() != 0;
  // Before anything of this step is recorded: a resumed run records it again.
  if (asked_to_stop || (step_ > first_step_ && step_ % config_.checkpoints.every == 0 && may_save())) save();
  if (config_.eval.due(step_) || step_ >= config_.steps) evaluate();
  const bool done = step_ >= config_.steps || stop_.met();  // >: a forced resume may ask for fewer
  report_.interrupted = asked_to_stop && !done;
  if (done || asked_to_stop || snapshot_due()) recorder_->snapshot(step_);
  return !done && !asked_to_stop;
}

void RunLoop::take(double loss, const Update& update) {
  loss_ = loss;
  loss_sum_ += loss_;
  ++loss_count_;
  const Optimizer::StepResult result = update(optimizer_, step_);
  if (step_ % config_.log.every == 0) {
    recorder_->train_row(step_, loss_sum_ / loss_count_, result.learning_rate, result.grad_norm);
    loss_sum_ = 0;
    loss_count_ = 0;
  }
  recorder_->flush_if_due();
  ++step_;
  line_->update(step_, loss_);
}

RunReport RunLoop::finish() {
  line_->finish(step_, loss_);
  report_.stop_reason = stop_.met() ? stop_.str() : report_.interrupted ? "stopped by a signal" : "all steps done";
  close(report_.interrupted ? RunStatus::interrupted : RunStatus::done);
  return report_;
}

void RunLoop::fail(const Error& error) {
  if (!line_) return;
  line_->break_line();
  if (error.code() == ExitCode::diverged) close(RunStatus::diverged);
}

bool RunLoop::may_save() const { return seconds() - saved_at_ >= save_cost_ / kMostOfTimeSaving; }

bool RunLoop::snapshot_due() const {
  const bool around_jump = config_.eval.due(step_) && static_cast<double>(step_) <= jump_band_end_;
  return around_jump || config_.checkpoints.due(step_);
}

void RunLoop::evaluate() {
  const Evaluator::Result result = evaluator_.run();
  recorder_->evaluation(step_, result);
  stop_.observe(result);
  std::vector<double> values;
  for (const Experiment::Headline& h : experiment_->headlines) {
    values.push_back(result.eval[static_cast<std::size_t>(eval_set_index(*experiment_->task, h.set))]
                                [measure_index(*experiment_->eval, h.measure)]);
  }
  line_->set_values(values);
  recent_.keep(step_, parameters());
  if (values.empty()) return;
  report_.jump_measure = fmt::format("{} {}", experiment_->headlines[0].set, experiment_->headlines[0].measure);
  if (const std::optional<Jump> jump = jumps_.observe(step_, values[0])) {
    recorder_->event(step_, *jump, recent_);
    report_.jumps.push_back(*jump);
    jump_band_end_ = jump->step_90 + jump->width();
  }
}

std::span<float> RunLoop::parameters() {
  return {experiment_->params.values(), static_cast<std::size_t>(experiment_->params.block_size())};
}

void RunLoop::save() {
  const double start = seconds();
  recorder_->sync();  // rows first: a state must not know more than the journal
  StateArchive state;
  RunOrigin origin = origin_;
  origin.seconds += seconds();
  stamp(state, config_, origin);
  state.set("step", std::span<const std::int64_t>(&step_, 1));
  state.set("parameters", std::span<const float>(parameters()));
  for (std::size_t i = 0; i < optimizer_.state().size(); ++i)
    state.set(fmt::format("optimizer.{}", i), std::span<const float>(optimizer_block(i)));
  state.set("running", std::span<const double>(std::array{loss_, loss_sum_, loss_count_,
                                                          static_cast<double>(stop_.in_a_row()), jump_band_end_}));
  jumps_.save(state);
  recent_.save(state);
  state.write(state_path(options_.folder));
  recent_.prune();
  saved_at_ = seconds();
  save_cost_ = saved_at_ - start;
}

void RunLoop::restore(const StateArchive& state) {
  state.get("parameters", parameters());
  for (std::size_t i = 0; i < optimizer_.state().size(); ++i)
    state.get(fmt::format("optimizer.{}", i), optimizer_block(i));
  std::array<double, 5> running{};
  state.get("running", std::span<double>(running));
  loss_ = running[0], loss_sum_ = running[1], loss_count_ = running[2];
  stop_.set_in_a_row(static_cast<std::int64_t>(running[3]));
  jump_band_end_ = running[4];
  jumps_.restore(state);
  recent_.restore(state);
}

std::span<float> RunLoop::optimizer_block(std::size_t i) {
  const AlignedBlock& block = optimizer_.state()[i];
  return {block.floats(), block.bytes() / sizeof(float)};
}

void RunLoop::close(RunStatus status) {
  report_.first_step = first_step_;
  report_.steps = step_;
  report_.seconds = seconds();
  recorder_->finish(status, origin_.seconds + report_.seconds, step_);
  if (status != RunStatus::interrupted) remove_saved_state(options_.folder);
}

}  // namespace saltus
