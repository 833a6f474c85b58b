#include <Eigen/LU>

#include "core/check.h"
#include "regression_theory_prompts.h"

using namespace saltus;
using namespace saltus::icl_regression;
using namespace saltus::tests;

namespace {

/// Three pairs in two dimensions whose moments can be done in the head: X'y = (1, 5), mean x = (1/3, 2/3), mean y = 2.
Prompt by_hand() {
  Prompt p{Eigen::MatrixXd(3, 2), Eigen::VectorXd(3), Eigen::VectorXd(2)};
  p.x << 1, 0, 0, 2, 0, 0;
  p.y << 1, 2.5, 2.5;
  p.query << 3, -1;
  return p;
}

PromptSampler prompts(std::uint64_t seed) { return {IsotropicTask{}, seed}; }

}  // namespace

TEST_CASE("gradient descent from zero, plain and debiased, on three pairs done by hand") {
  const Prompt p = by_hand();
  CHECK(gradient_descent(p, 0.5) == Approx(0.5 / 3 * (1 * 3 - 5)));
  // Centring takes y's mean, 2, times mean x off the moment (1, 5) / 3: (-1/3, 1/3).
  CHECK(debiased_gradient_descent(p, 0.5) == Approx(0.5 * (-1.0 / 3 * 3 - 1.0 / 3)));
  CHECK(averaging(p) == Approx(gradient_descent(p, 1)));
  Eigen::MatrixXd omega(2, 2);
  omega << 1, 2, 0, 1;  // Omega x_q = (1, -1): not symmetric, so that a transposition shows
  CHECK(preconditioned_gradient_descent(p, omega) == Approx((1.0 - 5) / 3));
  CHECK(debiased_preconditioned_gradient_descent(p, omega) == Approx(-1.0 / 3 - 1.0 / 3));
}

TEST_CASE("debiased descent does not see a shift of all covariates, plain descent does") {
  PromptSampler s = prompts(1);
  s.draw();
  Prompt moved = s.prompt;
  moved.x.rowwise() += Eigen::RowVectorXd::Constant(5, 0.7);
  CHECK(debiased_gradient_descent(moved, 0.8) == Approx(debiased_gradient_descent(s.prompt, 0.8)));
  CHECK(std::abs(gradient_descent(moved, 0.8) - gradient_descent(s.prompt, 0.8)) > 1e-3);
}

TEST_CASE("a kernel regressor weights labels by exp(omega x.x_q)") {
  const Prompt p = by_hand();  // x.x_q = 3, -2, 0
  const double a = std::exp(0.3), b = std::exp(-0.2), c = 1;
  CHECK(kernel_regressor(p, 0.1, 2) == Approx(2 * (a + 2.5 * b + 2.5 * c) / (a + b + c)));
  CHECK(kernel_regressor(p, 0, 2) == Approx(2 * 2.0));
  CHECK(kernel_regressor(p, 1e4, 1) == Approx(1));  // all weight on the first pair, and no overflow
  Eigen::VectorXd omega(2), mu(2);
  omega << 0.1, -0.4;
  mu << 2, -1;
  CHECK(kernel_regressors(p, omega, mu) == Approx(kernel_regressor(p, 0.1, 2) + kernel_regressor(p, -0.4, -1)));
  CHECK_THROWS_WITH(kernel_regressors(p, omega, Eigen::VectorXd::Ones(3)),
                    "kernel_regressors: 2 values of omega, 3 of mu; a head has one of each");
}

TEST_CASE("two opposite heads with a small gamma are debiased gradient descent (Theorem 1a)") {
  PromptSampler s = prompts(2);
  double farthest[2] = {0, 0};
  for (int i = 0; i < 200; ++i) {
    s.draw();
    for (int k = 0; k < 2; ++k) {
      const double gamma = k == 0 ? 0.02 : 0.01, mu = 0.9 / (2 * gamma);
      const double pair = kernel_regressors(s.prompt, Eigen::Vector2d(gamma, -gamma), Eigen::Vector2d(mu, -mu));
      farthest[k] = std::max(farthest[k], std::abs(pair - debiased_gradient_descent(s.prompt, 0.9)));
    }
  }
  CHECK(farthest[0] < 0.02);
  CHECK(farthest[0] / farthest[1] == Approx(4).epsilon(0.1));  // of second order in gamma: even terms cancel
}

TEST_CASE("ridge solves its normal equations, and tends to least squares") {
  PromptSampler s = prompts(3);
  s.draw();
  const Eigen::VectorXd w = ridge_coefficients(s.prompt, 0.7);
  const Eigen::VectorXd residual = s.prompt.y - s.prompt.x * w;
  CHECK((s.prompt.x.transpose() * residual - 0.7 * w).norm() < 1e-12);
  CHECK(ridge(s.prompt, 0.7) == Approx(w.dot(s.prompt.query)));
  CHECK(ridge(s.prompt, 1e-9) == Approx(least_squares(s.prompt)).epsilon(1e-6));
  CHECK_THROWS_WITH(ridge(s.prompt, 0), "ridge: lambda is 0, but has to be positive; lambda = 0 is least_squares");
}

TEST_CASE("least squares with fewer pairs than coordinates takes the shortest solution") {
  Prompt p{Eigen::MatrixXd(1, 3), Eigen::VectorXd(1), Eigen::VectorXd(3)};
  p.x << 1, 2, 2;
  p.y << 9;
  p.query << 1, 0, 0;
  CHECK(least_squares(p) == Approx(1));  // 9 x / |x|^2 = (1, 2, 2)
}

TEST_CASE("dMMSE averages the pool by its posterior") {
  const Prompt p = by_hand();
  Eigen::MatrixXd pool(2, 2);
  pool << 1, 1, 0, 1;
  // Residuals y - X w: (0, .5, 2.5) and (1, .5, 2.5); the squares differ by 1.
  const double first = 1 / (1 + std::exp(-1 / (2 * 0.8)));
  CHECK(dmmse(p, pool, 0.8) == Approx(first * 2 + (1 - first) * -1));
  CHECK(dmmse(p, pool, 1e-6) == Approx(2));
  CHECK_THROWS_WITH(dmmse(p, pool, 0), "dmmse: the noise variance is 0, but has to be positive");
}

TEST_CASE("dMMSE over a large pool of Gaussian coefficients tends to ridge with sigma^2 / b") {
  const IsotropicTask task{.input_dim = 2, .n_context = 4, .noise_variance = 0.5, .beta_variance = 0.7};
  PromptSampler s(task, 4);
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal(0, std::sqrt(0.7));
  Eigen::MatrixXd pool(200000, 2);
  for (double& w : pool.reshaped()) w = normal(random);
  for (int i = 0; i < 3; ++i) {
    s.draw();
    CHECK(dmmse(s.prompt, pool, 0.5) == Approx(ridge(s.prompt, 0.5 / 0.7)).margin(0.01));
  }
}

TEST_CASE("restricting a prompt keeps the named coordinates and the labels") {
  PromptSampler s = prompts(6);
  s.draw();
  const std::vector<int> support = {1, 4};
  const Prompt part = restricted(s.prompt, support);
  CHECK(part.x.col(0) == s.prompt.x.col(1));
  CHECK(part.x.col(1) == s.prompt.x.col(4));
  CHECK(part.query == Eigen::Vector2d(s.prompt.query[1], s.prompt.query[4]));
  CHECK(part.y == s.prompt.y);
}
