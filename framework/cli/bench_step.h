#pragma once
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "train/train_step.h"

namespace saltus::cli {

/// How long f() takes.
template <class F>
double milliseconds(const F& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// The middle of several measurements.
double median(std::vector<double> v);

/// What one instruction, or all of one op, takes in a step.
struct Cost {
  std::string name;      // the op's
  std::string operands;  // "[128, 63] x [63, 128] -> [128, 128]"; of an instruction only
  std::string scope;     // of an instruction only
  int calls = 0;
  double flops = 0, bytes = 0;  // of all calls
  double ms = 0;
};

/// A step's parts in milliseconds of one thread, all shards together.
struct Split {
  double sampling = 0, plan = 0, update = 0;
  std::vector<Cost> ops, instructions;  // dearest first
};

/// Something that a thread did in a traced step, in microseconds from its start.
struct TraceEvent {
  const Instruction* instruction;  // null: the sampling
  int shard;
  double start_us, end_us;
};
struct StepTrace {
  std::vector<TraceEvent> events;
  double update_start_us, update_end_us;
};

/// Training as the trainer does it, less what a run measures and records.
class Bench {
 public:
  Bench(const TrainConfig& config, int threads);

  int threads() const { return pool_.threads(); }
  const Experiment& experiment() const { return *experiment_; }
  /// A shard's plan for the bucket of a step.
  const Plan& plan(std::int64_t step) const { return train_step_.plan(step); }
  std::size_t optimizer_state_blocks() { return optimizer_.state().size(); }

  /// Milliseconds a step, one number a round, after some steps to warm up. The steps timed are [first_timed(), then all
  /// up to now).
  std::vector<double> time(int rounds, int steps);
  std::int64_t first_timed() const;
  std::int64_t steps_taken() const { return step_; }

  /// Times the first shard's sampling and instructions one by one, this shard standing for all, and the whole update.
  /// Of a task with buckets, the next step's.
  Split split();
  /// One step, every instruction timed where it runs. The instructions live as long as this.
  StepTrace trace();

 private:
  void step();
  void update();
  std::vector<BatchBuffers> buffers(std::size_t shards) const;

  const TrainConfig& config_;
  ThreadPool pool_;
  std::unique_ptr<Experiment> experiment_;
  TrainStep train_step_;
  Optimizer optimizer_;
  std::int64_t step_ = 0;
};

/// "[128, 63] x [63, 128] -> [128, 128]"
std::string operands_of(const Instruction& instruction);
/// The op's name; "copy" for one to an output's destination.
const char* name_of(const Instruction& instruction);

}  // namespace saltus::cli
