#include <algorithm>
#include <catch2/catch.hpp>

#include "config/reader.h"
#include "core/check.h"
#include "experiments/registry.h"
#include "train/step_together.h"
#include "train/train_step.h"

using namespace saltus;

namespace {

/// A run of a config, ready to step.
struct Run {
  TrainConfig config{systems()};
  std::unique_ptr<Experiment> experiment;
  std::unique_ptr<Optimizer> optimizer;

  Run(const std::string& yaml, int seed) {
    const auto overrides = parse_overrides(std::vector<std::string>{"seed=" + std::to_string(seed)});
    read_config_text("together.yaml", yaml, overrides, [this](Fields& f) { config.fields(f); });
    experiment = build_experiment(config);
    optimizer =
        std::make_unique<Optimizer>(config.optimizer, static_cast<std::size_t>(experiment->params.block_size()));
  }
  GroupMember member() { return {experiment.get(), &config}; }
  std::span<const float> parameters() const {
    return {experiment->params.values(), static_cast<std::size_t>(experiment->params.block_size())};
  }
};

}  // namespace

TEST_CASE("runs that take their steps together get the bits of each alone, whatever step each is at") {
  const auto yaml = GENERATE(
      as<std::string>{},
      "{system: icl_classification, batch_size: 8, task: {n_classes: 8, n_labels: 4, n_pairs: 3, max_pairs: 4, "
      "item_dim: 7, novel_pool: 8}, "
      "model: {classifier_width: 9}, optimizer: {kind: adam, clip_norm: 0.5}}",
      "{system: icl_minimal, batch_size: 8, task: {n_classes: 8, n_labels: 4, n_pairs: 3, item_dim: 7, novel_pool: 8}}",
      "{system: icl_regression, batch_size: 16, shards: 1, task: {input_dim: 3, n_context: 6}}",
      "{system: markov_chains, batch_size: 4}");
  ThreadPool pool(2);
  std::deque<Run> together, alone;
  std::vector<GroupMember> members;
  for (int seed = 0; seed < 3; ++seed) {
    alone.emplace_back(yaml, seed);
    members.push_back(together.emplace_back(yaml, seed).member());
  }
  REQUIRE(step_kind(members[0]).name == step_kind(members[2]).name);
  REQUIRE(step_kind(members[0]).name != "");
  StepTogether step(members, pool);
  for (std::int64_t n = 0; n < 4; ++n) {
    const std::vector<std::int64_t> steps = {n, n + 7, n + 100};
    step.run(steps);
    for (std::size_t r = 0; r < 3; ++r) {
      INFO(yaml << ", run " << r << ", step " << steps[r]);
      TrainStep own(*alone[r].experiment, alone[r].config, pool);
      CHECK(own.run(steps[r]) == step.loss(r));
      const auto expected = own.update(*alone[r].optimizer, steps[r], alone[r].config.steps);
      CHECK(step.update(r, *together[r].optimizer, steps[r]).grad_norm == expected.grad_norm);
      REQUIRE(std::ranges::equal(together[r].parameters(), alone[r].parameters()));
    }
  }
}
