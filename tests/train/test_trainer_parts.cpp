#include <catch2/catch.hpp>

#include "core/check.h"
#include "experiments/registry.h"
#include "train/evaluator.h"
#include "train/progress_line.h"
#include "train/stop_condition.h"
#include "train/tables.h"
#include "train/train_step.h"

using namespace saltus;

namespace {

/// A system small enough for a test: 2 layers, d_model 24.
TrainConfig small_config() {
  TrainConfig config(systems());
  config.system_name = "icl_classification";
  config.system = systems()[0].make();
  config.batch_size = 16;
  return config;
}

Evaluator::Result result(double ic_accuracy) {
  Evaluator::Result r;
  r.eval = {{3, 0.1}, {3, ic_accuracy}, {3, 0.1}, {3, 0.1}, {3, 0.1}};  // [set: iid, ic, ic2, iw, ciwl][loss, accuracy]
  return r;
}

}  // namespace

TEST_CASE("snapshots are due at multiples and, log-spaced, at powers of two") {
  const auto due = [](CheckpointConfig c, std::int64_t last) {
    std::vector<std::int64_t> steps;
    for (std::int64_t s = 0; s <= last; ++s) {
      if (c.due(s)) steps.push_back(s);
    }
    return steps;
  };
  CHECK(due({.every = 10, .log_spaced = true}, 35) == std::vector<std::int64_t>{0, 1, 2, 4, 8, 10, 16, 20, 30, 32});
  CHECK(due({.every = 10, .log_spaced = false}, 35) == std::vector<std::int64_t>{0, 10, 20, 30});
}

TEST_CASE("evaluations are due at multiples and, so many a decade, evenly on a log scale") {
  const auto due = [](EvalConfig c, std::int64_t last) {
    std::vector<std::int64_t> steps;
    for (std::int64_t s = 0; s <= last; ++s) {
      if (c.due(s)) steps.push_back(s);
    }
    return steps;
  };
  CHECK(due({.every = 20, .size = 1, .per_decade = 0}, 50) == std::vector<std::int64_t>{0, 20, 40});
  CHECK(due({.every = 1000, .size = 1, .per_decade = 3}, 1000) == std::vector<std::int64_t>{0, 1, 2, 5, 10, 22, 46, 100, 215, 464, 1000});
}

TEST_CASE("test sets are cut into chunks of 128, and no sample is left alone unless it is the only one") {
  const auto experiment = build_experiment(small_config());
  const auto sizes = [&](std::int64_t samples) {
    std::vector<int> found;
    int next = 0;
    for (const Chunk& chunk : chunks_of(*experiment->task, samples)) {
      if (chunk.set > 0) break;
      CHECK(chunk.first == next);
      next += chunk.size;
      found.push_back(chunk.size);
    }
    return found;
  };
  CHECK(sizes(1) == std::vector{1});
  CHECK(sizes(128) == std::vector{128});
  CHECK(sizes(129) == std::vector{127, 2});
  CHECK(sizes(130) == std::vector{128, 2});
  CHECK(sizes(257) == std::vector{128, 127, 2});
}

TEST_CASE("means over a set have the standard error that the spread of its chunks gives") {
  // Two sets; the second in chunks of 128 and 64 samples. Sums of one number.
  const std::vector<Chunk> chunks = {{0, 0, 100}, {0, 100, 100}, {1, 0, 128}, {1, 128, 64}};
  const std::vector<std::vector<double>> sums = {{100}, {300}, {256}, {64}};
  const SetMeans means = means_of(chunks, sums);
  CHECK(means.mean[0] == std::vector<double>{2});
  CHECK(means.mean[1][0] == Approx(320 / 192.0));
  CHECK(means.error[0][0] == Approx(1.0));  // chunk means 1 and 3: sample standard deviation sqrt(2), over sqrt(2)
  const double off = (256 - 128 * 320 / 192.0) / 192;
  CHECK(means.error[1][0] == Approx(2 * std::abs(off)));  // both chunks are off by as much, times 2 / (2 - 1)
}

TEST_CASE("the sparkline of a loss takes its largest value for a full bar") {
  CHECK(sparkline_top("accuracy", {0.1, 0.2}) == 1);
  CHECK(sparkline_top("loss", {1.6, 0.8, 0}) == 1.6);
  CHECK(sparkline({1.6, 0.8, 0}, 8, 1.6) == "█▅▁");
  CHECK(sparkline_top("loss", {0}) == 1);
}

TEST_CASE("stop_when asks for evaluations in a row: one on the wrong side starts the count again") {
  const auto experiment = build_experiment(small_config());
  StopCondition stop(StopWhen{.set = "ic", .measure = "accuracy", .above = 0.9, .below = {}, .evaluations = 2}, *experiment);
  for (double accuracy : {0.95, 0.5, 0.95}) stop.observe(result(accuracy));
  CHECK_FALSE(stop.met());
  stop.observe(result(0.91));
  CHECK(stop.met());
  CHECK(stop.str() == "ic accuracy above 0.9 for 2 evaluations");
  CHECK_FALSE(StopCondition(std::nullopt, *experiment).met());
}

TEST_CASE("a test set's result does not depend on threads, and a set that does not fill its last chunk counts every sample once") {
  const auto experiment = build_experiment(small_config());
  ThreadPool one(1), three(3);
  const Evaluator::Result a = Evaluator(*experiment, 300, one).run(), b = Evaluator(*experiment, 300, three).run();
  CHECK(a.eval == b.eval);
  CHECK(a.progress == b.progress);
  // Sample i alone is what a set of i + 1 adds to a set of i.
  double sum = 0;
  std::vector<double> total(302);
  for (int n : {1, 127, 128, 129, 255, 256, 257, 299, 300, 301}) total[static_cast<std::size_t>(n)] = n * Evaluator(*experiment, n, one).run().eval[0][0];
  const auto single = [&](int n) { return total[static_cast<std::size_t>(n + 1)] - total[static_cast<std::size_t>(n)]; };
  for (int n : {127, 128, 255, 256, 299, 300}) {
    INFO("sample " << n);
    CHECK(single(n) == Approx(3.47).margin(0.6));  // one sample's loss near ln 32: neither 0 nor twice that
    sum += single(n);
  }
  CHECK(sum == Approx(6 * 3.47).margin(1.5));
}

TEST_CASE("a step's loss and gradient are the same for any number of threads, and the shards make up the batch") {
  TrainConfig config = small_config();
  config.shards = 4;
  const auto experiment = build_experiment(config);
  ThreadPool one(1), three(3);
  TrainStep serial(*experiment, config, one), parallel(*experiment, config, three);
  CHECK(serial.run(7) == parallel.run(7));
  const auto n = static_cast<std::size_t>(experiment->params.block_size());
  for (std::size_t shard = 0; shard < 4; ++shard) {
    CHECK(std::equal(serial.gradients()[shard], serial.gradients()[shard] + n, parallel.gradients()[shard]));
  }
  config.shards = 1;
  TrainStep whole(*experiment, config, one);
  CHECK(whole.run(7) == Approx(serial.run(7)).epsilon(1e-6));
  double worst = 0, largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (const float* shard : serial.gradients()) sum += shard[i];
    worst = std::max(worst, std::abs(sum * serial.scale() - static_cast<double>(whole.gradients()[0][i])));
    largest = std::max(largest, std::abs(static_cast<double>(whole.gradients()[0][i])));
  }
  CHECK(worst < 1e-5 * largest);
}

TEST_CASE("weights of all layers are stored as one array, other parameters under their own names") {
  const auto experiment = build_experiment(small_config());
  const Table table = weights_table(experiment->params);
  CHECK(table.variables[0].name == "W_Q");
  CHECK(table.variables[0].dims == std::vector<std::string>{"layer", "head", "d_model", "d_head"});
  const std::vector<StoredWeight> stored = stored_weights(experiment->params);
  CHECK(stored[0].params == std::vector<std::string>{"blocks.0.attn.W_Q", "blocks.1.attn.W_Q"});
  CHECK(stored.back().name == "unembed.W_U");
  const std::vector<float> row = weights_row(experiment->params)[0];
  const std::span<const float> second = experiment->params.view("blocks.1.attn.W_Q");
  CHECK(std::equal(second.begin(), second.end(), row.begin() + static_cast<std::ptrdiff_t>(second.size())));
}

TEST_CASE("patterns are stored probe by probe, whatever order the plan computes them in") {
  Experiment e;
  e.n_layers = 1;
  e.n_heads = 2;
  const std::vector<float> pattern = {0, 1, 2, 3, 4, 5, 6, 7};  // [head 2][probe 2] of maps from 1 query to 2 keys
  const float* layers[] = {pattern.data()};
  CHECK(attention_row(e, layers, 2, {.queries = 1, .keys = 2}) == std::vector<float>{0, 1, 4, 5, 2, 3, 6, 7});
}

TEST_CASE("the sparkline shows the series' shape in at most so many bars") {
  CHECK(sparkline({}, 8).empty());
  CHECK(sparkline({0, 0.5, 1}, 8) == "▁▅█");
  CHECK(sparkline({0, 0, 0, 0, 1, 1, 1, 1}, 2) == "▁█");
}
