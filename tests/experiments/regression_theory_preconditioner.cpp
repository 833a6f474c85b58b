#include <Eigen/LU>

#include "experiments/icl_regression/theory/preconditioner.h"
#include "experiments/icl_regression/theory/risks.h"
#include "regression_theory_prompts.h"

using namespace saltus;
using namespace saltus::icl_regression;
using namespace saltus::tests;

namespace {

/// The paper's non-isotropic task: Sigma_ij = .5^|i-j|, the rest at its default.
LinearRegressionConfig correlated() {
  LinearRegressionConfig config;
  config.covariance = "kac_murdock_szego";
  return config;
}

/// The paper's two tasks in six coordinates, overlapping in two.
LinearRegressionConfig overlapping() {
  LinearRegressionConfig config;
  config.input_dim = 6;
  config.supports = {"0..3", "2..5"};
  return config;
}

/// Largest slope of the risk along any single entry of Omega: 0 at an optimum.
double steepest_entry(const GaussianTasks& tasks, const Eigen::MatrixXd& omega, Centring centring) {
  const double h = 1e-4;
  double steepest = 0;
  for (Eigen::Index i = 0; i < omega.rows(); ++i) {
    for (Eigen::Index j = 0; j < omega.cols(); ++j) {
      Eigen::MatrixXd up = omega, down = omega;
      up(i, j) += h;
      down(i, j) -= h;
      const double slope = preconditioned_risk(tasks, up, centring) - preconditioned_risk(tasks, down, centring);
      steepest = std::max(steepest, std::abs(slope) / (2 * h));
    }
  }
  return steepest;
}

}  // namespace

TEST_CASE("the optimum of linear attention on correlated covariates has the spec's entries") {
  const GaussianTasks task = gaussian_tasks(correlated());
  const Eigen::MatrixXd omega = optimal_preconditioner(task, Centring::none);
  const Eigen::MatrixXd sigma = kac_murdock_szego(5, 0.5);
  CHECK((task.sigma - sigma).norm() < 1e-15);
  const Eigen::MatrixXd formula =
      ((1 + 1.0 / 40) * sigma + (5 + 5 * 0.1) / 40 * Eigen::MatrixXd::Identity(5, 5)).inverse();
  CHECK((omega - formula).norm() < 1e-12);
  CHECK(omega(0, 0) == Approx(1.069).margin(5e-4));
  CHECK(omega(0, 1) == Approx(-0.456).margin(5e-4));
  CHECK(omega(0, 2) == Approx(-0.034).margin(5e-4));
  CHECK(omega(0, 3) == Approx(-0.00246).margin(5e-6));  // the spec has -.003
  CHECK(omega(1, 1) == Approx(1.263).margin(5e-4));
  CHECK(omega(1, 2) == Approx(-0.442).margin(5e-4));
  CHECK(omega(1, 3) == Approx(-0.03246).margin(5e-6));  // the spec has -.033
  CHECK(omega(2, 2) == Approx(1.264).margin(5e-4));
  CHECK((omega - omega.transpose()).norm() < 1e-12);
}

TEST_CASE("an optimal preconditioner is one: the risk rises in every direction") {
  for (const LinearRegressionConfig& config : {correlated(), overlapping()}) {
    const GaussianTasks tasks = gaussian_tasks(config);
    for (Centring centring : {Centring::none, Centring::debiased}) {
      const Eigen::MatrixXd omega = optimal_preconditioner(tasks, centring);
      CHECK(steepest_entry(tasks, omega, centring) < 1e-9);
      CHECK(steepest_entry(tasks, omega + 0.01 * Eigen::MatrixXd::Ones(omega.rows(), omega.cols()), centring) > 1e-4);
      std::mt19937_64 random(21);
      std::normal_distribution<double> normal(0, 0.1);
      for (int i = 0; i < 20; ++i) {
        const Eigen::MatrixXd away =
            omega + Eigen::MatrixXd::NullaryExpr(omega.rows(), omega.cols(), [&] { return normal(random); });
        CHECK(preconditioned_risk(tasks, away, centring) > preconditioned_risk(tasks, omega, centring));
      }
    }
  }
}

TEST_CASE("with isotropic covariates and one task everything reduces to plain and debiased descent") {
  LinearRegressionConfig config;
  config.input_dim = 4;
  config.n_context = 9;
  config.beta_std = 1.3;
  config.noisy_query = false;
  const GaussianTasks one = gaussian_tasks(config);
  const IsotropicTask same = isotropic_task(config);
  const Eigen::MatrixXd identity = Eigen::MatrixXd::Identity(4, 4);
  CHECK(preconditioned_risk(one, 0.7 * identity, Centring::none) == Approx(gd_risk(same, 0.7)));
  CHECK(preconditioned_risk(one, 0.7 * identity, Centring::debiased) == Approx(dgd_risk(same, 0.7)));
  CHECK(optimal_eta(one, Centring::none) == Approx(gd_optimal_eta(same)));
  CHECK(optimal_eta(one, Centring::debiased) == Approx(dgd_optimal_eta(same)));
  CHECK((optimal_preconditioner(one, Centring::none) - gd_optimal_eta(same) * identity).norm() < 1e-12);
  CHECK((optimal_preconditioner(one, Centring::debiased) - dgd_optimal_eta(same) * identity).norm() < 1e-12);
}

TEST_CASE("what one pair of heads shares between two tasks: the spec's derived check (c)") {
  // gamma_j = a_j / (a_j (1 + 1/L) + sum_n (s_n + sigma^2) / L), a_j = #{n: j in S_n} / d, s_n = |S_n| / d.
  const Eigen::MatrixXd omega = optimal_preconditioner(gaussian_tasks(overlapping()), Centring::none);
  const double labels = 2 * (4.0 / 6 + 0.1) / 40;
  for (int j = 0; j < 6; ++j) {
    const double a = (j == 2 || j == 3 ? 2.0 : 1.0) / 6;
    CHECK(omega(j, j) == Approx(a / (a * (1 + 1.0 / 40) + labels)));
  }
  CHECK((omega - Eigen::MatrixXd(omega.diagonal().asDiagonal())).norm() < 1e-12);
  CHECK(omega(2, 2) > omega(0, 0));  // the overlap gets more, as in the paper's heat maps
}

TEST_CASE("task n alone sees its support and its own noise") {
  LinearRegressionConfig config = overlapping();
  config.covariance = "kac_murdock_szego";
  config.supports = {"0,2", "1..5"};
  config.noise_scaling = "support";
  const GaussianTasks one = gaussian_task(config, 0);
  CHECK(one.sigma.rows() == 2);
  CHECK(one.sigma(0, 1) == Approx(0.25));
  CHECK(one.tasks[0].noise_variance == Approx(0.2));
  CHECK(one.tasks[0].beta_covariance(1, 1) == Approx(1.0 / 6));
}

TEST_CASE("the risk of preconditioned descent against 200 000 prompts, at the optimum and away from it", "[slow]") {
  const Eigen::MatrixXd sigma = kac_murdock_szego(5, 0.5);
  const GaussianTasks tasks = gaussian_tasks(correlated());
  Eigen::MatrixXd skewed = 0.4 * Eigen::MatrixXd::Identity(5, 5);  // not symmetric, so that a transposition shows
  skewed(0, 3) = 0.5;
  skewed(2, 1) = -0.3;
  const Eigen::MatrixXd omegas[3] = {optimal_preconditioner(tasks, Centring::none),
                                     optimal_preconditioner(tasks, Centring::debiased), skewed};
  SampleMean plain[3], debiased[3];
  PromptSampler s(IsotropicTask{}, sigma, 22);
  for (int i = 0; i < 200000; ++i) {
    s.draw();
    for (int k = 0; k < 3; ++k) {
      plain[k].add(s.squared_error(preconditioned_gradient_descent(s.prompt, omegas[k])));
      debiased[k].add(s.squared_error(debiased_preconditioned_gradient_descent(s.prompt, omegas[k])));
    }
  }
  for (int k = 0; k < 3; ++k) {
    check_sampled(plain[k], preconditioned_risk(tasks, omegas[k], Centring::none), 0.004);
    check_sampled(debiased[k], preconditioned_risk(tasks, omegas[k], Centring::debiased), 0.004);
  }
}

TEST_CASE("least squares over Omega on sampled prompts finds the optimal preconditioner", "[slow]") {
  // yhat is linear in Omega: fit y_q on the features g_i x_j, g = (1/L) sum_l y_l x_l, of prompts in two dimensions.
  const IsotropicTask task{.input_dim = 2, .n_context = 6, .noise_variance = 0.3, .beta_variance = 0.5};
  Eigen::Matrix2d sigma;
  sigma << 1, 0.6, 0.6, 2;
  Eigen::Matrix4d square = Eigen::Matrix4d::Zero();
  Eigen::Vector4d product = Eigen::Vector4d::Zero();
  PromptSampler s(task, sigma, 23);
  for (int i = 0; i < 1000000; ++i) {
    s.draw();
    const Eigen::Vector2d g = s.prompt.x.transpose() * s.prompt.y / 6;
    const Eigen::Vector4d feature(g[0] * s.prompt.query[0], g[1] * s.prompt.query[0], g[0] * s.prompt.query[1],
                                  g[1] * s.prompt.query[1]);
    square += feature * feature.transpose();
    product += feature * s.target;
  }
  const Eigen::Matrix2d fitted = (square.inverse() * product).eval().reshaped(2, 2);
  const GaussianTasks tasks{sigma, 6, {{0.5 * Eigen::Matrix2d::Identity(), 0.3}}, true};
  const Eigen::MatrixXd omega = optimal_preconditioner(tasks, Centring::none);
  INFO(fitted << "\n\n" << omega);
  CHECK((fitted - omega).norm() < 0.01);
}
