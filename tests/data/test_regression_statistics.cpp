// Laws of linear_regression that show only over many samples. The seeds are fixed; the bounds are in standard errors.
#include <catch2/catch.hpp>

#include "data/icl_sequences.h"  // chi_square_excess
#include "data/regression_samples.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

/// The residual y - beta . x of task n at position l; l = length is the query.
double residual(const RegressionSamples& s, int sample, int n, int l) {
  return (l < s.length ? s.y(sample, n, l) : s.asked(sample, n)) - s.clean(sample, n, l);
}

LinearRegressionConfig with_covariance(const std::string& name) {
  LinearRegressionConfig config;
  config.covariance = name;
  if (name == "given") {
    config.input_dim = 3;
    config.covariance_matrix = {2, -0.8, 0.3, -0.8, 1, 0.2, 0.3, 0.2, 0.5};
  }
  return config;
}

}  // namespace

TEST_CASE("x has mean 0 and the covariance that is asked for, at context and query positions") {
  const LinearRegressionConfig config = with_covariance(GENERATE("isotropic", "kac_murdock_szego", "given"));
  const LinearRegression task(config, seeds);
  const std::vector<double> sigma = config.sigma();
  const RegressionSamples s = train_samples(task, 20000);
  for (const int l : {0, 17, 40}) {
    for (int a = 0; a < s.d; ++a) {
      Mean mean;
      for (int i = 0; i < s.size; ++i) mean.add(s.x(i, a, l));
      CHECK(mean.deviations(0) < 4);
      for (int b = 0; b <= a; ++b) {
        Mean product;
        for (int i = 0; i < s.size; ++i) product.add(static_cast<double>(s.x(i, a, l)) * s.x(i, b, l));
        const double expected = sigma[static_cast<std::size_t>(a * s.d + b)];
        CAPTURE(config.covariance, l, a, b, product.value(), expected);
        CHECK(product.deviations(expected) < 4);
        CHECK(product.standard_error() < 0.025);
      }
    }
  }
}

TEST_CASE("positions are independent of one another, also where coordinates are not") {
  const LinearRegressionConfig config = with_covariance(GENERATE("isotropic", "kac_murdock_szego"));
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 20000);
  for (const int l : {1, 20, 40}) {
    for (int a = 0; a < s.d; ++a) {
      for (int b = 0; b < s.d; ++b) {
        Mean product;
        for (int i = 0; i < s.size; ++i) product.add(static_cast<double>(s.x(i, a, l)) * s.x(i, b, l - 1));
        CHECK(product.deviations(0) < 4);
      }
    }
  }
}

TEST_CASE("coefficients are N(0, 1/d), or of the standard deviation that is given, and independent of x") {
  LinearRegressionConfig config;
  config.beta_std = GENERATE(std::optional<double>(), std::optional<double>(2.0));
  const LinearRegression task(config, seeds);
  const double variance = config.beta_std ? 4 : 0.2;
  const RegressionSamples s = train_samples(task, 40000);
  for (int j = 0; j < 5; ++j) {
    Mean first, second, fourth, with_next, with_x;
    for (int i = 0; i < s.size; ++i) {
      const double b = s.beta_of(i)[static_cast<std::size_t>(j)],
                   next = s.beta_of(i)[static_cast<std::size_t>((j + 1) % 5)];
      first.add(b);
      second.add(b * b);
      fourth.add(b * b * b * b);
      with_next.add(b * next);
      with_x.add(b * s.x(i, j, 40));
    }
    CAPTURE(j, variance);
    CHECK(first.deviations(0) < 4);
    CHECK(second.deviations(variance) < 4);
    CHECK(second.standard_error() < 0.01 * variance);
    CHECK(fourth.deviations(3 * variance * variance) < 4);
    CHECK(with_next.deviations(0) < 4);
    CHECK(with_x.deviations(0) < 4);
  }
}

TEST_CASE("label noise has the variance that is asked for, in the context and, if so set, on the query") {
  LinearRegressionConfig config;
  config.input_dim = 6;
  config.supports = {"0..3", "5"};
  config.noise_std = 0.5;
  config.noise_scaling = GENERATE("none", "support");
  config.noisy_query = GENERATE(true, false);
  const bool scaled = config.noise_scaling == "support";
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 10000);
  for (int n = 0; n < 2; ++n) {
    const double variance = 0.25 * (scaled && n == 0 ? 4 : 1);
    Mean context, query, mean;
    for (int i = 0; i < s.size; ++i) {
      for (int l = 0; l < 40; ++l) {
        context.add(std::pow(residual(s, i, n, l), 2));
        mean.add(residual(s, i, n, l));
      }
      query.add(std::pow(residual(s, i, n, 40), 2));
    }
    CAPTURE(config.noise_scaling, n, context.value(), query.value(), variance);
    CHECK(mean.deviations(0) < 4);
    CHECK(context.deviations(variance) < 4);
    CHECK(context.standard_error() < 0.003 * variance);
    if (config.noisy_query) {
      CHECK(query.deviations(variance) < 4);
    } else {
      CHECK(query.value() < 1e-12);
    }
  }
}

TEST_CASE("noise is independent from task to task and position to position, and of x") {
  LinearRegressionConfig config;
  config.supports = {"0..4", "0..4"};  // labels that differ by nothing but their noise
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 20000);
  for (const int l : {1, 30, 40}) {
    Mean tasks, positions, crossed, with_x;
    for (int i = 0; i < s.size; ++i) {
      tasks.add(residual(s, i, 0, l) * residual(s, i, 1, l));
      positions.add(residual(s, i, 0, l) * residual(s, i, 0, l - 1));
      crossed.add(residual(s, i, 0, l) * residual(s, i, 1, l - 1));
      with_x.add(residual(s, i, 1, l) * s.x(i, 0, l));
    }
    CHECK(tasks.deviations(0) < 4);
    CHECK(positions.deviations(0) < 4);
    CHECK(crossed.deviations(0) < 4);
    CHECK(with_x.deviations(0) < 4);
  }
}

TEST_CASE("the coefficients of two tasks are one and the same, or independent") {
  LinearRegressionConfig config;
  config.input_dim = 6;
  config.supports = {"0..3", "2..5"};
  config.shared_beta = GENERATE(true, false);
  const LinearRegression task(config, seeds);
  const RegressionSamples s = train_samples(task, 20000);
  for (std::size_t j = 2; j <= 3; ++j) {
    Mean product, square;
    for (int i = 0; i < s.size; ++i) {
      product.add(static_cast<double>(s.beta_of(i, 0)[j]) * s.beta_of(i, 1)[j]);
      square.add(std::pow(s.beta_of(i, 1)[j], 2));
    }
    CHECK(square.deviations(1.0 / 6) < 4);
    CHECK(product.deviations(config.shared_beta ? 1.0 / 6 : 0) < 4);
  }
}

TEST_CASE("a pool's entries are N(0, 1/d), used uniformly and apart from x") {
  LinearRegressionConfig config;
  config.pool_size = 4096;
  const LinearRegression large(config, seeds);
  Mean second;
  for (float b : large.pool()) second.add(static_cast<double>(b) * b);
  CHECK(second.deviations(0.2) < 4);

  config.pool_size = 12;
  const LinearRegression task(config, seeds);
  const int n = 24000;
  for (const RegressionSamples& s : {train_samples(task, n), eval_samples(task, "test", n)}) {
    std::vector<int> uses(12);
    std::vector<Mean> x(12), x_squared(12);
    for (int i = 0; i < n; ++i) {
      const auto entry = static_cast<std::size_t>(s.entry(i));
      ++uses[entry];
      x[entry].add(s.x(i, 0, 0));
      x_squared[entry].add(std::pow(s.x(i, 0, 0), 2));
    }
    CHECK(std::abs(chi_square_excess(uses, std::vector<double>(12, 1.0 / 12), n)) < 4);
    for (const Mean& mean : x) CHECK(mean.deviations(0) < 4);
    for (const Mean& mean : x_squared) CHECK(mean.deviations(1) < 4);
  }
}

TEST_CASE("neighbouring samples, steps, seeds and the test set are uncorrelated") {
  const LinearRegression task({}, seeds), other({}, {.init = 1, .data = 3, .eval = 3, .task = 4});
  const int n = 4000;
  const RegressionSamples base = train_samples(task, n + 1);
  const std::vector<RegressionSamples> others = {train_samples(task, n, 0, 1), train_samples(task, n, 1),
                                                 train_samples(other, n), eval_samples(task, "test", n)};
  for (std::size_t o = 0; o < others.size(); ++o) {
    Mean tokens, squares, beta;
    for (std::size_t k = 0; k < others[o].tokens.size(); ++k) {
      const double a = base.tokens[k], b = others[o].tokens[k];
      if (b == 0) continue;  // the query's open label
      tokens.add(a * b);
      squares.add((a * a - 1) * (b * b - 1));
    }
    for (std::size_t k = 0; k < others[o].beta.size(); ++k) {
      beta.add(static_cast<double>(base.beta[k]) * others[o].beta[k]);
    }
    CAPTURE(o);
    CHECK(tokens.deviations(0) < 4);
    CHECK(squares.deviations(0) < 4);
    CHECK(beta.deviations(0) < 4);
  }
}

TEST_CASE("a step of gradient descent on the samples has the risk that the law of the data gives it") {
  // yhat = (eta / L) sum_l y_l x_l . x_q has E (yhat - y_q)^2 = 1 + s2 - 2 eta + eta^2 (1 + (d + 1 + s2 d) / L) for
  // x ~ N(0, I) and beta ~ N(0, I / d), with the noise s2 on the context and on the query: by Wick's formula.
  LinearRegressionConfig config;
  config.noisy_query = GENERATE(true, false);
  const LinearRegression task(config, seeds);
  const double eta = 0.86, s2 = 0.1, d = 5, length = 40;
  const double expected = 1 + (config.noisy_query ? s2 : 0) - 2 * eta + eta * eta * (1 + (d + 1 + s2 * d) / length);
  Mean risk;
  const RegressionSamples s = train_samples(task, 50000);
  for (int i = 0; i < s.size; ++i) {
    double prediction = 0;
    for (int l = 0; l < 40; ++l) {
      for (int j = 0; j < 5; ++j) prediction += eta / length * s.y(i, 0, l) * s.x(i, j, l) * s.x(i, j, 40);
    }
    risk.add(std::pow(prediction - s.asked(i), 2));
  }
  CAPTURE(risk.value(), expected);
  CHECK(risk.deviations(expected) < 4);
  CHECK(risk.standard_error() < 0.003);
}

}  // namespace saltus
