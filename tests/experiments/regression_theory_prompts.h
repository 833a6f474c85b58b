#pragma once
#include <Eigen/Cholesky>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "experiments/icl_regression/theory/isotropic_task.h"
#include "experiments/icl_regression/theory/predictors.h"

namespace saltus::tests {

/// Mean of draws with its standard error.
class SampleMean {
 public:
  void add(double x) { ++n_, sum_ += x, squares_ += x * x; }
  double mean() const { return sum_ / n_; }
  double standard_error() const { return std::sqrt((squares_ / n_ - mean() * mean()) / n_); }

 private:
  double n_ = 0, sum_ = 0, squares_ = 0;
};

/// `exact` lies within four standard errors of what was sampled, which says something: the error is below
/// `largest_error`.
inline void check_sampled(const SampleMean& sampled, double exact, double largest_error) {
  INFO("sampled " << sampled.mean() << " +- " << sampled.standard_error() << ", exact " << exact);
  CHECK(sampled.standard_error() < largest_error);
  CHECK(std::abs(sampled.mean() - exact) < 4 * sampled.standard_error());
}

/// Prompts of one regression task in double, from a generator of its own: no code in common with what is tested.
class PromptSampler {
 public:
  PromptSampler(const icl_regression::IsotropicTask& task, std::uint64_t seed)
      : PromptSampler(task, Eigen::MatrixXd::Identity(task.input_dim, task.input_dim), seed) {}
  PromptSampler(const icl_regression::IsotropicTask& task, const Eigen::MatrixXd& sigma, std::uint64_t seed)
      : task_(task), isotropic_(sigma.isIdentity()), root_(sigma.llt().matrixL()), random_(seed) {
    prompt.x.resize(task.n_context, task.input_dim);
    prompt.y.resize(task.n_context);
    prompt.query.resize(task.input_dim);
    beta.resize(task.input_dim);
  }

  icl_regression::Prompt prompt;
  Eigen::VectorXd beta;
  double target = 0;

  void draw() {
    for (double& x : prompt.x.reshaped()) x = normal_(random_);
    for (double& x : prompt.query) x = normal_(random_);
    for (double& x : beta) x = std::sqrt(task_.beta_variance) * normal_(random_);
    if (!isotropic_) {
      prompt.x = (prompt.x * root_.transpose()).eval();
      prompt.query = (root_ * prompt.query).eval();
    }
    prompt.y.noalias() = prompt.x * beta;
    for (double& y : prompt.y) y += std::sqrt(task_.noise_variance) * normal_(random_);
    target = beta.dot(prompt.query);
    if (task_.noisy_query) target += std::sqrt(task_.noise_variance) * normal_(random_);
  }
  double squared_error(double prediction) const { return (prediction - target) * (prediction - target); }

 private:
  icl_regression::IsotropicTask task_;
  bool isotropic_;
  Eigen::MatrixXd root_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
};

/// Sigma_ij = rho^|i-j|.
inline Eigen::MatrixXd kac_murdock_szego(int d, double rho) {
  return Eigen::MatrixXd::NullaryExpr(d, d,
                                      [rho](Eigen::Index i, Eigen::Index j) { return std::pow(rho, std::abs(i - j)); });
}

}  // namespace saltus::tests
