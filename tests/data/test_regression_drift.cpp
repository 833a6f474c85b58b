// linear_regression with coefficients that walk along the sequence.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "config/reader.h"
#include "data/regression_samples.h"
#include "kernels/targets.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

/// Two tasks without noise, so that labels are beta_l . x_l.
LinearRegressionConfig drifting(double rate) {
  LinearRegressionConfig config;
  config.input_dim = 6;
  config.n_context = 20;
  config.supports = {"0..3", "2..5"};
  config.noise_std = 0;
  config.drift = rate;
  return config;
}

/// FNV-1a over the bits of an array.
std::uint64_t hash(const std::vector<float>& values) {
  std::uint64_t h = 14695981039346656037u;
  for (float value : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    h = (h ^ bits) * 1099511628211u;
  }
  return h;
}

}  // namespace

TEST_CASE("without drift samples are those of before there was any") {
  const LinearRegression task({}, seeds);
  const RegressionSamples s = train_samples(task, 64, 7);
  CHECK(hash(s.tokens) == 0x8f6a5432ce885413);
  CHECK(hash(s.target) == 0xa9ece9b6a5490667);
  CHECK(hash(s.beta) == 0x92d3148edf0152aa);
}

TEST_CASE("drift moves the context's labels and nothing else") {
  LinearRegressionConfig config = drifting(0);
  config.noise_std = GENERATE(0.0, 0.5);
  config.shared_beta = GENERATE(true, false);
  const LinearRegression still(config, seeds);
  config.drift = 0.3;
  const LinearRegression moving(config, seeds);
  const RegressionSamples a = train_samples(still, 50), b = train_samples(moving, 50);
  CHECK(a.target == b.target);
  CHECK(a.beta == b.beta);
  CHECK(a.task_id == b.task_id);
  for (int i = 0; i < 50; ++i) {
    for (int l = 0; l <= 20; ++l) {
      for (int j = 0; j < 6; ++j) REQUIRE(a.x(i, j, l) == b.x(i, j, l));
      for (int n = 0; n < 2; ++n) REQUIRE((a.y(i, n, l) == b.y(i, n, l)) == (l == 20));
    }
  }
}

TEST_CASE("any part of a drifting batch is what the whole holds there, on every instruction set") {
  const LinearRegression task(drifting(0.1), seeds);
  const RegressionSamples whole = train_samples(task, 32, 5);
  const RegressionSamples part = train_samples(task, 8, 5, 13);
  CHECK(std::equal(part.tokens.begin(), part.tokens.end(), whole.row(13, 0).data()));
  tests::on_every_target([&] { CHECK(train_samples(task, 32, 5).tokens == whole.tokens); });
}

TEST_CASE(
    "the label of the pair k before the query follows a beta that correlates with the query's by (1 - q^2)^(k/2)") {
  // E y_l x_lj beta_j = E beta_lj beta_j, and E y_l^2 = sum_j E beta_lj^2 stays what it is without drift.
  const double rate = GENERATE(0.1, 0.5, 1.0);
  LinearRegressionConfig config = drifting(rate);
  config.beta_std = 1;
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 20000);
  for (const int k : {1, 2, 5, 20}) {
    Mean with_query, variance;
    for (int i = 0; i < s.size; ++i) {
      const int l = s.length - k;
      for (int j = 0; j < 4; ++j) {
        with_query.add(static_cast<double>(s.y(i, 0, l)) * s.x(i, j, l) * s.beta_of(i)[static_cast<std::size_t>(j)]);
      }
      variance.add(std::pow(s.y(i, 0, l), 2));
    }
    CAPTURE(rate, k);
    CHECK(with_query.deviations(std::pow(1 - rate * rate, k / 2.0)) < 4);
    CHECK(with_query.standard_error() < 0.015);
    CHECK(variance.deviations(4) < 4);
  }
}

TEST_CASE("between two pairs of the context the walk loses as much as between either and the query") {
  const double rate = 0.4;
  LinearRegressionConfig config;
  config.input_dim = 1;
  config.beta_std = 1;
  config.noise_std = 0;
  config.drift = rate;
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 40000);
  for (const int gap : {1, 3}) {
    Mean product;
    for (int i = 0; i < s.size; ++i) {
      product.add(static_cast<double>(s.y(i, 0, 10)) * s.x(i, 0, 10) * s.y(i, 0, 10 + gap) * s.x(i, 0, 10 + gap));
    }
    CHECK(product.deviations(std::pow(1 - rate * rate, gap / 2.0)) < 4);
  }
}

TEST_CASE("the walk's steps are numbers of their own, drawn for nothing else in the sample") {
  LinearRegressionConfig config;
  config.input_dim = 1;
  config.n_context = 30;
  config.beta_std = 1;
  config.noise_std = 0;
  config.drift = 0.6;  // and sqrt(1 - q^2) = 0.8
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 50);
  for (int i = 0; i < s.size; ++i) {
    int drawn_before = 0;
    for (int l = 0; l < 30; ++l) {
      const double beta = s.y(i, 0, l) / s.x(i, 0, l);
      const double after = l == 29 ? s.beta_of(i)[0] : s.y(i, 0, l + 1) / s.x(i, 0, l + 1);
      const double step = (beta - 0.8 * after) / 0.6;
      for (int m = 0; m <= 30; ++m) drawn_before += std::abs(step - s.x(i, 0, m)) < 1e-4;
      drawn_before += std::abs(step - s.beta_of(i)[0]) < 1e-4;
    }
    REQUIRE(drawn_before < 5);  // by chance 0.05 of them; all 30 if the draws were shared
  }
}

TEST_CASE("tasks that share beta share its walk; others walk apart") {
  LinearRegressionConfig config = drifting(0.5);
  config.supports = {"0..5", "0..5"};
  config.shared_beta = GENERATE(true, false);
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 100);
  for (int i = 0; i < s.size; ++i) {
    for (int l = 0; l < 20; ++l) REQUIRE((s.y(i, 0, l) == s.y(i, 1, l)) == config.shared_beta);
  }
}

TEST_CASE("the walk's size is that of beta, whatever its scale") {
  LinearRegressionConfig small = drifting(0.3), large = drifting(0.3);
  small.beta_std = 1;
  large.beta_std = 1024;
  const LinearRegression a(small, seeds), b(large, seeds);
  const RegressionSamples s = train_samples(a, 20), t = train_samples(b, 20);
  for (int i = 0; i < 20; ++i) {
    for (int l = 0; l < 20; ++l) REQUIRE(1024 * s.y(i, 1, l) == t.y(i, 1, l));
  }
}

TEST_CASE("drift outside 0..1 or away from a pool is refused") {
  const auto refusal = [](const std::string& yaml) -> std::string {
    try {
      LinearRegressionConfig config;
      read_config_text("task.yaml", yaml, {}, [&config](Fields& f) { config.fields(f); });
    } catch (const Error& error) {
      const std::string text = error.what();
      return text.substr(0, text.find('\n'));
    }
    return "";
  };
  CHECK(refusal("drift: 1.5") == "task.yaml:1:8: error: drift: must be in [0, 1], got 1.5");
  CHECK(
      refusal("{pool_size: 8, drift: 0.1}") ==
      "task.yaml:1:23: error: drift: drift 0.1 takes beta away from the entries of a pool: set pool_size 0 instead of "
      "8, or drift 0");
  CHECK(refusal("{drift: 1}") == "");
}

}  // namespace saltus
