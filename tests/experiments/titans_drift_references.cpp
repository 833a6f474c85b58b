#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <random>

#include "core/check.h"
#include "experiments/titans/drift_references.h"

using namespace saltus;
using namespace saltus::titans;

namespace {

const DriftingRegressionConfig small_task = {
    .n_pairs = 7, .input_dim = 3, .output_dim = 2, .noise_std = 0.4, .drift = 0.35, .fast_drift = 0.7};

/// Samples of a test set.
struct Sampled {
  std::vector<float> x, y, drift;
  Batch batch;

  Sampled(const DriftingRegressionConfig& c, int size, int set)
      : x(static_cast<std::size_t>(size * c.n_pairs * c.input_dim)),
        y(static_cast<std::size_t>(size * c.n_pairs * c.output_dim)),
        drift(static_cast<std::size_t>(size)),
        batch(size, {x.data(), y.data(), drift.data()}) {
    DriftingRegression(c, Seeds{}).sample_eval(set, 0, batch);
  }
};

/// E[y_t | x_1..x_t, y_1..y_(t-1)] of one output from the joint normal law of all y, whose covariance is
/// x_s . x_t (1 - q^2)^(|s-t|/2) / d, and the noise.
double posterior_mean(const Eigen::MatrixXd& x, const Eigen::VectorXd& y, Eigen::Index t, double noise, double drift) {
  const auto covariance = [&](Eigen::Index a, Eigen::Index b) {
    const double apart = std::abs(static_cast<double>(a - b));
    return x.row(a).dot(x.row(b)) / static_cast<double>(x.cols()) * std::pow(1 - drift * drift, apart / 2) +
           (a == b ? noise : 0);
  };
  if (t == 0) return 0;
  Eigen::MatrixXd K(t, t);
  Eigen::VectorXd k(t);
  for (Eigen::Index a = 0; a < t; ++a) {
    k[a] = covariance(t, a);
    for (Eigen::Index b = 0; b < t; ++b) K(a, b) = covariance(a, b);
  }
  return k.dot(K.ldlt().solve(y.head(t)));
}

}  // namespace

TEST_CASE("titans: the Kalman filter is the posterior mean of the joint normal law, pair by pair") {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  for (const double drift : {0.0, 0.1, 0.6, 1.0}) {
    const double noise = 0.3;
    const Eigen::MatrixXd x = Eigen::MatrixXd::NullaryExpr(8, 3, [&] { return normal(random); });
    const Eigen::MatrixXd y = Eigen::MatrixXd::NullaryExpr(8, 2, [&] { return normal(random); });
    KalmanRegression filter(3, 2, noise, drift);
    for (Eigen::Index t = 0; t < 8; ++t) {
      const Eigen::VectorXd answer = filter.predict(x.row(t).transpose());
      CAPTURE(drift, t);
      for (Eigen::Index p = 0; p < 2; ++p)
        CHECK(answer[p] == Approx(posterior_mean(x, y.col(p), t, noise, drift)).margin(1e-10));
      filter.observe(x.row(t).transpose(), y.row(t).transpose());
    }
  }
}

TEST_CASE("titans: without drift the filter is ridge regression, and without noise it has learned all after d pairs") {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  const Eigen::MatrixXd x = Eigen::MatrixXd::NullaryExpr(6, 3, [&] { return normal(random); });
  const Eigen::VectorXd w = Eigen::VectorXd::NullaryExpr(3, [&] { return normal(random); }), y = x * w;
  KalmanRegression ridge(3, 1, 0.2, 0), exact(3, 1, 0, 0);
  for (Eigen::Index t = 0; t < 5; ++t) {
    ridge.observe(x.row(t).transpose(), y.segment(t, 1));
    exact.observe(x.row(t).transpose(), y.segment(t, 1));
  }
  const Eigen::MatrixXd X = x.topRows(5);
  const Eigen::VectorXd solution =
      (X.transpose() * X + 3 * 0.2 * Eigen::MatrixXd::Identity(3, 3)).ldlt().solve(X.transpose() * y.head(5));
  CHECK(ridge.predict(x.row(5).transpose())[0] == Approx(solution.dot(x.row(5))));
  CHECK(exact.predict(x.row(5).transpose())[0] == Approx(y[5]).epsilon(1e-5));
}

TEST_CASE("titans: expected errors of constant rules are what they lose on samples, pair by pair") {
  const std::vector<double> drifts = DriftingRegression(small_task, Seeds{}).eval_drifts();
  const DriftReferences references(small_task, drifts);
  const std::size_t n = DriftReferences::labels().size(), T = 7;
  const int size = 6000;
  for (int set = 0; set < 3; ++set) {
    const Sampled s(small_task, size, set);
    std::vector<double> sums(n + n * T);
    references.accumulate(s.batch, {}, sums);
    for (std::size_t p = 3; p < n; ++p) {
      const std::string& label = DriftReferences::labels()[p];
      const double drift = drifts[static_cast<std::size_t>(set)];
      const std::vector<double> expected =
          expected_errors(small_task, drift, references.rule(static_cast<std::size_t>(set), label));
      CAPTURE(label, set);
      // Squared errors of two outputs scatter by about their mean: 5 standard errors are 0.065 of it.
      for (std::size_t t = 0; t < T; ++t) CHECK(sums[n + p * T + t] / size == Approx(expected[t]).epsilon(0.065));
      CHECK(sums[p] == Approx(std::accumulate(&sums[n + p * T], &sums[n + p * T] + T, 0.0) / T));
    }
  }
}

TEST_CASE("titans: nobody beats the filter that knows the rate, and it knows it from the sample") {
  const std::vector<double> drifts = DriftingRegression(small_task, Seeds{}).eval_drifts();
  const DriftReferences references(small_task, drifts);
  const std::size_t n = DriftReferences::labels().size(), T = 7;
  for (int set = 0; set < 3; ++set) {
    const Sampled s(small_task, 2000, set);
    std::vector<double> sums(n + n * T);
    references.accumulate(s.batch, {}, sums);
    for (std::size_t p = 1; p < n; ++p) CHECK(sums[0] <= sums[p]);
    CHECK((sums[0] == sums[1]) == (set == 0));  // kalman_trained
    CHECK((sums[0] == sums[2]) == (set == 1));  // ridge
    CHECK(sums[n] / 2000 == Approx(1).epsilon(0.1));
  }
  Sampled s(small_task, 1, 0);
  s.drift[0] = 0.2F;
  std::vector<double> sums(n + n * T);
  CHECK_THROWS_WITH(references.accumulate(s.batch, {}, sums), Catch::Contains("for which no references were made"));
}

TEST_CASE("titans: no rule beats the best, and decay helps the delta rule only where coefficients drift") {
  const DriftingRegressionConfig task{.n_pairs = 100, .input_dim = 16, .noise_std = 0.1};
  for (const double drift : {0.0, 0.01, 0.1, 0.5}) {
    for (const bool hebbian : {false, true}) {
      const ConstantRule best = best_rule(task, drift, hebbian, true), held = best_rule(task, drift, hebbian, false);
      CAPTURE(drift, hebbian, best.beta, best.alpha);
      const double least = expected_error(task, drift, best), least_held = expected_error(task, drift, held);
      for (int i = 0; i <= 50; ++i) {
        CHECK(expected_error(task, drift, {hebbian, i / 25.0, 0}) >= least_held);
        for (int j = 0; j <= 50; ++j) {
          const double error = expected_error(task, drift, {hebbian, i / 25.0, j / 250.0});
          if (error < least) FAIL("beta " << i / 25.0 << ", alpha " << j / 250.0 << ": " << error << " < " << least);
        }
      }
      CHECK(held.alpha == 0);
      if (!hebbian) CHECK((best.alpha > 1e-4) == (drift >= 0.1));
      CHECK(least_held >= least - 1e-9);
    }
  }
}

TEST_CASE("titans: the delta rule at rate 1 settles where what drift adds is what a write takes off") {
  // A write takes 1/d of the error off, a step of the walk adds q^2, if q is small: d q^2 stay.
  const DriftingRegressionConfig task{.n_pairs = 400, .input_dim = 16, .noise_std = 0};
  CHECK(expected_errors(task, 0.01, {false, 1, 0}).back() == Approx(16 * 1e-4).epsilon(0.01));
  CHECK(expected_errors(task, 0.1, {false, 1, 0}).back() == Approx(0.16).epsilon(0.1));
}
