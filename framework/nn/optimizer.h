#pragma once
#include <functional>
#include <optional>
#include <span>

#include "core/arena.h"
#include "config/fields.h"
#include "nn/schedule.h"

namespace saltus {

struct OptimizerConfig {
  std::string kind = "sgd";
  double learning_rate = 0.01;
  double momentum = 0.9;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double decay = 0;
  double weight_decay = 0;
  std::optional<double> clip_norm;
  Schedule schedule;

  void fields(Fields& f);
};

/// Updates a flat parameter block from flat gradient blocks. With g the mean gradient (after clipping), eta the scheduled learning
/// rate and t the step counted from 1:
///   sgd       theta <- (1 - decay) theta - eta g          (Reddy 2023: decay 1e-6 is not multiplied by eta)
///   momentum  m <- momentum m + g,  theta <- (1 - decay) theta - eta m
///   adam      Kingma & Ba 2015 with bias correction
///   adamw     adam, and theta also shrinks by eta weight_decay (Loshchilov & Hutter 2019)
/// For all but adamw, weight_decay adds weight_decay theta to g, as PyTorch does.
class Optimizer {
 public:
  /// Runs f(begin, end) over a cut of [0, n); the cut may be anything, and the parts may run on several threads.
  using Range = std::function<void(std::size_t begin, std::size_t end)>;
  using ForRanges = std::function<void(std::size_t n, const Range& f)>;

  Optimizer(const OptimizerConfig& config, std::size_t block_size);

  struct StepResult {
    double learning_rate;
    double grad_norm;  // l2 norm of the mean gradient, before clipping
  };
  /// One update at `step` (0-based) of `total`. The gradient is the sum of `parts` in their order, times `scale`. When its norm is not
  /// finite nothing is changed.
  StepResult step(std::int64_t step, std::int64_t total, float* theta, std::span<const float* const> parts, double scale,
                  const ForRanges& for_ranges);

  /// The state blocks (0, 1 or 2 of them), each of the parameter block's layout: what a checkpoint has to hold besides the step.
  std::span<AlignedBlock> state() { return state_; }

 private:
  OptimizerConfig config_;
  std::size_t size_;
  AlignedBlock gradient_;
  std::vector<double> square_sums_;
  std::vector<AlignedBlock> state_;
};

}  // namespace saltus
