#include "nn/optimizer.h"

#include <algorithm>
#include <cmath>

#include "kernels/update.h"

namespace saltus {
namespace {

constexpr std::size_t norm_block = 4096;  // the norm is summed over blocks of this size, in order: the same bits for any cut

}  // namespace

void OptimizerConfig::fields(Fields& f) {
  f.choice("kind", kind, {"sgd", "momentum", "adam", "adamw"}, "update rule");
  f.field("learning_rate", learning_rate, "step size, before the schedule", above(0));
  f.field("momentum", momentum, "momentum: how much of the last velocity stays", between(0, 1));
  f.field("beta1", beta1, "adam, adamw: decay of the first moment", between(0, 1));
  f.field("beta2", beta2, "adam, adamw: decay of the second moment", between(0, 1));
  f.field("epsilon", epsilon, "adam, adamw: added to the root of the second moment", above(0));
  f.field("decay", decay, "every parameter is multiplied by 1 - decay, rounded to f32, at each step, whatever the learning rate; below 3e-8 nothing", between(0, 1));
  f.field("weight_decay", weight_decay, "adamw: decay multiplied by the learning rate; others: weight_decay * parameter joins the gradient",
          at_least(0));
  f.field("clip_norm", clip_norm, "scale the gradient down to this l2 norm when it is longer; null: never", above(0));
  f.section("schedule", schedule, "learning rate over the run");
  f.require(beta1 < 1, "beta1", "beta1 must be below 1");
  f.require(beta2 < 1, "beta2", "beta2 must be below 1");
}

Optimizer::Optimizer(const OptimizerConfig& config, std::size_t block_size)
    : config_(config), size_(block_size), gradient_(block_size * sizeof(float)), square_sums_((block_size + norm_block - 1) / norm_block) {
  const int blocks = config.kind == "sgd" ? 0 : config.kind == "momentum" ? 1 : 2;
  for (int i = 0; i < blocks; ++i) state_.emplace_back(block_size * sizeof(float));
}

Optimizer::StepResult Optimizer::step(std::int64_t step, std::int64_t total, float* theta, std::span<const float* const> parts,
                                      double scale, const ForRanges& for_ranges) {
  float* g = gradient_.floats();
  for_ranges(square_sums_.size(), [&](std::size_t first, std::size_t last) {
    for (std::size_t block = first; block < last; ++block) {
      const std::size_t begin = block * norm_block, n = std::min(norm_block, size_ - begin);
      kernels::reduce(parts, begin, static_cast<float>(scale), g + begin, n);
      square_sums_[block] = kernels::sum_of_squares(g + begin, n);
    }
  });
  double norm = 0;
  for (double s : square_sums_) norm += s;
  norm = std::sqrt(norm);
  const double eta = config_.learning_rate * config_.schedule.at(step, total);
  if (!std::isfinite(norm)) return {eta, norm};

  const bool decoupled = config_.kind == "adamw";
  const float keep = static_cast<float>(1 - config_.decay - (decoupled ? eta * config_.weight_decay : 0));
  const float clip = config_.clip_norm && norm > *config_.clip_norm ? static_cast<float>(*config_.clip_norm / norm) : 1.0f;
  const float l2 = decoupled ? 0.0f : static_cast<float>(config_.weight_decay);
  const double t = static_cast<double>(step + 1);
  const kernels::AdamRates adam{.keep = keep,
                                .rate = static_cast<float>(eta / (1 - std::pow(config_.beta1, t))),
                                .beta1 = static_cast<float>(config_.beta1),
                                .rest1 = static_cast<float>(1 - config_.beta1),
                                .beta2 = static_cast<float>(config_.beta2),
                                .rest2 = static_cast<float>(1 - config_.beta2),
                                .correction2 = static_cast<float>(1 / (1 - std::pow(config_.beta2, t))),
                                .epsilon = static_cast<float>(config_.epsilon)};
  for_ranges(square_sums_.size(), [&](std::size_t first, std::size_t last) {
    if (first == last) return;
    const std::size_t begin = first * norm_block, n = std::min(last * norm_block, size_) - begin;
    float *x = theta + begin, *gx = g + begin;
    // g <- clip g + l2 theta, as one update of the block g
    if (clip != 1.0f || l2 != 0.0f) kernels::sgd_update(gx, x, n, clip, -l2);
    if (config_.kind == "sgd") return kernels::sgd_update(x, gx, n, keep, static_cast<float>(eta));
    float* m = state_[0].floats() + begin;
    if (config_.kind == "momentum") {
      return kernels::momentum_update(x, m, gx, n, keep, static_cast<float>(eta), static_cast<float>(config_.momentum));
    }
    kernels::adam_update(x, m, state_[1].floats() + begin, gx, n, adam);
  });
  return {eta, norm};
}

}  // namespace saltus
