#include <catch2/catch.hpp>
#include <cmath>

#include "config/reader.h"
#include "data/drifting_regression.h"
#include "data/regression_samples.h"
#include "kernels/targets.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

/// Samples of drifting_regression, with indices.
struct Sequences {
  DriftingRegressionConfig config;
  int size;
  std::vector<float> xs, ys, drifts;

  Sequences(const DriftingRegressionConfig& c, int n)
      : config(c),
        size(n),
        xs(count(n * c.n_pairs * c.input_dim), NAN),
        ys(count(n * c.n_pairs * c.output_dim), NAN),
        drifts(count(n), NAN) {}

  static std::size_t count(std::int64_t n) { return static_cast<std::size_t>(n); }
  Batch batch() { return {size, {xs.data(), ys.data(), drifts.data()}}; }
  double x(std::int64_t i, std::int64_t t, std::int64_t j = 0) const {
    return xs[count((i * config.n_pairs + t) * config.input_dim + j)];
  }
  double y(std::int64_t i, std::int64_t t, std::int64_t p = 0) const {
    return ys[count((i * config.n_pairs + t) * config.output_dim + p)];
  }
};

Sequences trained(const DriftingRegressionConfig& config, int n, std::int64_t step = 0, int first = 0) {
  Sequences s(config, n);
  DriftingRegression(config, seeds).sample_train(step, first, s.batch());
  return s;
}

Sequences tested(const DriftingRegressionConfig& config, int n, int set) {
  Sequences s(config, n);
  DriftingRegression(config, seeds).sample_eval(set, 0, s.batch());
  return s;
}

}  // namespace

TEST_CASE("drifting regression without drift or noise: each y is one linear map of its own x") {
  const Sequences s = trained({.n_pairs = 6, .input_dim = 2, .output_dim = 3, .noise_std = 0}, 20);
  for (int i = 0; i < s.size; ++i) {
    const double det = s.x(i, 0, 0) * s.x(i, 1, 1) - s.x(i, 0, 1) * s.x(i, 1, 0);
    for (int t = 2; t < 6; ++t) {  // x_t = a x_0 + b x_1, so y_t = a y_0 + b y_1
      const double a = (s.x(i, t, 0) * s.x(i, 1, 1) - s.x(i, t, 1) * s.x(i, 1, 0)) / det;
      const double b = (s.x(i, 0, 0) * s.x(i, t, 1) - s.x(i, 0, 1) * s.x(i, t, 0)) / det;
      const double room = 1e-5 * (1 + std::abs(a) + std::abs(b));
      for (int p = 0; p < 3; ++p) REQUIRE(std::abs(s.y(i, t, p) - a * s.y(i, 0, p) - b * s.y(i, 1, p)) < room);
    }
  }
}

TEST_CASE("drifting regression: x is spread evenly over a sphere, and y varies by 1 and the noise at every pair") {
  const double drift = GENERATE(0.0, 0.3, 1.0);
  const Sequences s = trained({.n_pairs = 4, .input_dim = 3, .output_dim = 2, .noise_std = 0.5, .drift = drift}, 20000);
  for (int t = 0; t < 4; ++t) {
    Mean first, square, product, y_square, y_mean, outputs;
    for (int i = 0; i < s.size; ++i) {
      REQUIRE(std::pow(s.x(i, t, 0), 2) + std::pow(s.x(i, t, 1), 2) + std::pow(s.x(i, t, 2), 2) ==
              Approx(3).epsilon(1e-5));
      first.add(s.x(i, t, 0));
      square.add(std::pow(s.x(i, t, 0), 2));
      product.add(s.x(i, t, 0) * s.x(i, t, 1));
      y_mean.add(s.y(i, t));
      y_square.add(std::pow(s.y(i, t), 2));
      outputs.add(s.y(i, t, 0) * s.y(i, t, 1));
    }
    CAPTURE(drift, t);
    CHECK(first.deviations(0) < 4);
    CHECK(square.deviations(1) < 4);
    CHECK(product.deviations(0) < 4);
    CHECK(y_mean.deviations(0) < 4);
    CHECK(y_square.deviations(s.config.label_variance()) < 4);
    CHECK(outputs.deviations(0) < 4);
  }
}

TEST_CASE("drifting regression: coefficients k pairs apart correlate by (1 - q^2)^(k/2)") {
  const double drift = GENERATE(0.1, 0.5, 1.0);
  // With one input x = +-1, so w_t = y_t x_t.
  const Sequences s = trained({.n_pairs = 24, .input_dim = 1, .noise_std = 0, .drift = drift}, 20000);
  for (const int from : {0, 3}) {
    for (const int k : {1, 4, 20}) {
      Mean product;
      for (int i = 0; i < s.size; ++i) product.add(s.y(i, from) * s.x(i, from) * s.y(i, from + k) * s.x(i, from + k));
      CAPTURE(drift, from, k);
      CHECK(product.deviations(std::pow(1 - drift * drift, k / 2.0)) < 4);
    }
  }
}

TEST_CASE("drifting regression: test sets are the same sequences at other rates") {
  const DriftingRegressionConfig config{
      .n_pairs = 10, .input_dim = 3, .noise_std = 0.2, .drift = 0.1, .fast_drift = 0.6};
  const Sequences test = tested(config, 8, 0), still = tested(config, 8, 1), fast = tested(config, 8, 2);
  CHECK(test.xs == still.xs);
  CHECK(test.xs == fast.xs);
  CHECK(test.drifts == std::vector<float>(8, 0.1F));
  CHECK(still.drifts == std::vector<float>(8, 0.0F));
  CHECK(fast.drifts == std::vector<float>(8, 0.6F));
  double moved = 0, moved_fast = 0;
  for (int i = 0; i < 8; ++i) {
    CHECK(test.y(i, 0) == still.y(i, 0));
    CHECK(fast.y(i, 0) == still.y(i, 0));
    for (int t = 1; t < 10; ++t) {
      REQUIRE(test.y(i, t) != still.y(i, t));
      moved += std::abs(test.y(i, t) - still.y(i, t));
      moved_fast += std::abs(fast.y(i, t) - still.y(i, t));
    }
  }
  CHECK(moved_fast > 2 * moved);
  const DriftingRegression task(config, seeds);
  CHECK(task.eval_sets() == std::vector<std::string>{"test", "static", "fast"});
  CHECK(task.eval_drifts() == std::vector<double>{0.1, 0, 0.6});
  CHECK(tested(config, 8, 0).xs != trained(config, 8).xs);
  CHECK(trained(config, 8).drifts == test.drifts);
}

TEST_CASE(
    "drifting regression: any part of a batch is what the whole holds there, and a longer sequence begins alike") {
  DriftingRegressionConfig config{.n_pairs = 9, .input_dim = 5, .output_dim = 2, .drift = 0.3};
  const Sequences whole = trained(config, 16, 5), part = trained(config, 4, 5, 7);
  CHECK(std::equal(part.ys.begin(), part.ys.end(), whole.ys.begin() + 7 * 9 * 2));
  CHECK(std::equal(part.xs.begin(), part.xs.end(), whole.xs.begin() + 7 * 9 * 5));
  CHECK(trained(config, 16, 6).ys != whole.ys);
  tests::on_every_target([&] { CHECK(trained(config, 16, 5).ys == whole.ys); });
  config.n_pairs = 20;
  const Sequences longer = trained(config, 16, 5);
  for (int i = 0; i < 16; ++i) {
    for (int t = 0; t < 9; ++t) REQUIRE(longer.y(i, t, 1) == whole.y(i, t, 1));
  }
}

TEST_CASE("drifting regression: a rate outside 0..1 is refused") {
  try {
    DriftingRegressionConfig config;
    read_config_text("task.yaml", "drift: 1.5", {}, [&config](Fields& f) { config.fields(f); });
    FAIL("it was read");
  } catch (const Error& error) {
    const std::string text = error.what();
    CHECK(text.substr(0, text.find('\n')) == "task.yaml:1:8: error: drift: must be in [0, 1], got 1.5");
  }
}

}  // namespace saltus
