#include <catch2/catch.hpp>
#include <numeric>

#include "config/reader.h"
#include "curves/training.h"
#include "experiments/registry.h"

using namespace saltus;
using tests::Training;

TEST_CASE(
    "regression_memory.yaml with every mixer that its siblings name: a few steps take the error below know-nothing's",
    "[slow]") {
  const std::vector<std::string> smaller = {"batch_size=16", "task.n_pairs=12"};
  for (const char* sibling : {"memory", "mlp", "attention", "window", "linear", "deltanet", "gated"}) {
    TrainConfig config(systems());
    read_config(std::string(SALTUS_CONFIGS "/titans/regression_") + sibling + ".yaml", parse_overrides(smaller),
                [&](Fields& f) { config.fields(f); });
    Training run(config);
    run.advance(150);
    INFO(sibling);
    CHECK(run.losses[0] > 1.5);
    CHECK(std::accumulate(run.losses.end() - 20, run.losses.end(), 0.0) / 20 < 0.8);
  }
}
