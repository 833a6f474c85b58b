#include <catch2/catch.hpp>
#include <numeric>

#include "config/reader.h"
#include "curves/training.h"
#include "experiments/registry.h"

using namespace saltus;
using tests::Training;

namespace {

/// Mean loss of the last 20 of `steps` steps of configs/titans/recall_<name>.yaml on four pairs in 24 tokens; knowing no answer costs
/// ln 16 = 2.8.
double late_loss(const char* name, int steps, std::vector<std::string> overrides) {
  for (const char* smaller : {"task.vocab_size=32", "task.length=24", "task.n_pairs=4"}) overrides.emplace_back(smaller);
  TrainConfig config(systems());
  read_config(std::string(SALTUS_CONFIGS "/titans/recall_") + name + ".yaml", parse_overrides(overrides),
              [&](Fields& f) { config.fields(f); });
  Training run(config);
  run.advance(steps);
  return std::accumulate(run.losses.end() - 20, run.losses.end(), 0.0) / 20;
}

}  // namespace

TEST_CASE("recall: what two layers of attention solve, memories of one and two layers solve in one", "[slow]") {
  CHECK(late_loss("attention_deep", 250, {}) < 0.1);
  CHECK(late_loss("memory", 250, {}) < 0.1);
  CHECK(late_loss("mlp", 300, {}) < 0.1);
}

TEST_CASE("recall: a window that no pair lies in learns no more than which tokens are values", "[slow]") {
  CHECK(late_loss("window", 250, {"model.mixer.window=2"}) > 1);
  CHECK(late_loss("window", 250, {"model.mixer.window=24"}) < 0.1);
}
