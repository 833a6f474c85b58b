#pragma once
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "train/batch_buffers.h"
#include "train/config.h"

namespace saltus {

/// One run of a group, each at a step of its own.
struct GroupMember {
  Experiment* experiment;
  const TrainConfig* config;
};

/// What a run's step is, to whoever has to choose which runs take theirs together.
struct StepKind {
  std::string name;  // runs of one name can step together; empty: alone only
  int at_once = 1;   // that pay: 1 where a step alone keeps a core busy
};
StepKind step_kind(const GroupMember& run);

/// TrainStep for several runs at once. Each gets the bits that its own TrainStep gives it, and what a small model's
/// step mostly is, the calls of kernels, is shared.
class StepTogether {
 public:
  StepTogether(std::vector<GroupMember> runs, ThreadPool& pool);

  /// steps[r] is run r's. Losses that are not finite are left as they are.
  void run(std::span<const std::int64_t> steps);
  double loss(std::size_t run) const { return losses_[run]; }
  /// As TrainStep::update, for the gradients of one run. Throws Error (diverged) where its loss or gradients are not
  /// finite, saying what TrainStep says.
  Optimizer::StepResult update(std::size_t run, Optimizer& optimizer, std::int64_t step);

 private:
  struct Shard {
    int first;  // sample
    AlignedBlock
        together;  // gradients of all runs: each parameter's [run, ...], at its offset times the number of runs
    std::vector<AlignedBlock> gradient;  // by run, as its parameter block
    std::deque<Plan> plan;               // one
    std::vector<BatchBuffers> buffers;   // by run
  };

  const ParamStore& layout() const { return runs_[0].experiment->params; }
  std::size_t n_runs() const { return runs_.size(); }
  /// Where a parameter of run r, or what belongs to it, is in a block of all runs.
  float* in_group(const AlignedBlock& block, const ParamSpec& spec, std::size_t run = 0) const;
  void compile();
  void gather_parameters();
  void scatter_gradients(Shard& shard);
  [[noreturn]] void report_divergence(std::size_t run, std::int64_t step) const;

  std::vector<GroupMember> runs_;
  ThreadPool& pool_;
  AlignedBlock parameters_;  // of all runs, as Shard::together
  std::deque<Shard> shards_;
  std::vector<double> losses_;
};

}  // namespace saltus
