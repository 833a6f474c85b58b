#pragma once
#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "train/config.h"
#include "train/train_step.h"

namespace saltus::tests {

/// A training run without files: the loss of every step's batch, before that step's update.
struct Training {
  const TrainConfig config;
  ThreadPool pool;
  std::unique_ptr<Experiment> experiment = build_experiment(config);
  TrainStep step{*experiment, config, pool};
  Optimizer optimizer{config.optimizer, static_cast<std::size_t>(experiment->params.block_size())};
  std::vector<double> losses;

  explicit Training(const TrainConfig& c, int threads = 1) : config(c), pool(threads) {}

  void advance(std::int64_t steps) {
    for (; steps > 0; --steps) {
      const auto at = static_cast<std::int64_t>(losses.size());
      losses.push_back(step.run(at));
      optimizer.step(at, config.steps, experiment->params.values(), step.gradients(), step.scale(),
                     [](std::size_t n, const Optimizer::Range& f) { f(0, n); });
    }
  }
};

inline void check_losses(const std::vector<double>& losses, const std::map<std::size_t, double>& pinned,
                         double tolerance) {
  for (const auto& [step, loss] : pinned) {
    INFO("step " << step);
    CHECK(losses.at(step) == Approx(loss).epsilon(tolerance));
  }
}

}  // namespace saltus::tests
