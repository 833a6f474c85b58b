#include "experiments/icl_regression/theory/predictors.h"

#include <Eigen/Cholesky>
#include <Eigen/QR>

#include "core/check.h"

namespace saltus::icl_regression {
namespace {

/// (1/L) sum_l y_l x_l, [input].
Eigen::VectorXd moment(const Prompt& p) { return p.x.transpose() * p.y / static_cast<double>(p.x.rows()); }

/// (1/L) sum_l y_l (x_l - mean x), [input].
Eigen::VectorXd centred_moment(const Prompt& p) { return moment(p) - p.y.mean() * p.x.colwise().mean().transpose(); }

}  // namespace

Prompt restricted(const Prompt& prompt, std::span<const int> support) {
  const auto columns = static_cast<Eigen::Index>(support.size());
  Prompt part{Eigen::MatrixXd(prompt.x.rows(), columns), prompt.y, Eigen::VectorXd(columns)};
  for (Eigen::Index j = 0; j < columns; ++j) {
    const int column = support[static_cast<std::size_t>(j)];
    part.x.col(j) = prompt.x.col(column);
    part.query[j] = prompt.query[column];
  }
  return part;
}

double gradient_descent(const Prompt& prompt, double eta) { return eta * moment(prompt).dot(prompt.query); }

double debiased_gradient_descent(const Prompt& prompt, double eta) {
  return eta * centred_moment(prompt).dot(prompt.query);
}

double preconditioned_gradient_descent(const Prompt& prompt, const Eigen::MatrixXd& preconditioner) {
  return moment(prompt).dot(preconditioner * prompt.query);
}

double debiased_preconditioned_gradient_descent(const Prompt& prompt, const Eigen::MatrixXd& preconditioner) {
  return centred_moment(prompt).dot(preconditioner * prompt.query);
}

double kernel_regressor(const Prompt& prompt, double omega, double mu) {
  const Eigen::ArrayXd scores = (omega * (prompt.x * prompt.query)).array();  // [position]
  const Eigen::ArrayXd weights = (scores - scores.maxCoeff()).exp();
  return mu * (weights * prompt.y.array()).sum() / weights.sum();
}

double kernel_regressors(const Prompt& prompt, const Eigen::VectorXd& omega, const Eigen::VectorXd& mu) {
  check(omega.size() == mu.size(), "kernel_regressors: {} values of omega, {} of mu; a head has one of each",
        omega.size(), mu.size());
  double sum = 0;
  for (Eigen::Index h = 0; h < omega.size(); ++h) sum += kernel_regressor(prompt, omega[h], mu[h]);
  return sum;
}

Eigen::VectorXd ridge_coefficients(const Prompt& prompt, double lambda) {
  check(lambda > 0, "ridge: lambda is {}, but has to be positive; lambda = 0 is least_squares", lambda);
  Eigen::MatrixXd gram = prompt.x.transpose() * prompt.x;
  gram.diagonal().array() += lambda;
  return gram.llt().solve(prompt.x.transpose() * prompt.y);
}

double ridge(const Prompt& prompt, double lambda) { return ridge_coefficients(prompt, lambda).dot(prompt.query); }

double least_squares(const Prompt& prompt) {
  return prompt.x.completeOrthogonalDecomposition().solve(prompt.y).dot(prompt.query);
}

double averaging(const Prompt& prompt) { return gradient_descent(prompt, 1); }

double dmmse(const Prompt& prompt, const Eigen::MatrixXd& pool, double noise_variance) {
  check(noise_variance > 0, "dmmse: the noise variance is {}, but has to be positive", noise_variance);
  check(pool.rows() > 0 && pool.cols() == prompt.x.cols(), "dmmse: a pool of shape [{}, {}] for prompts of {} inputs",
        pool.rows(), pool.cols(), prompt.x.cols());
  const Eigen::MatrixXd residuals = (prompt.x * pool.transpose()).colwise() - prompt.y;  // [position, pool]
  const Eigen::ArrayXd evidence = residuals.colwise().squaredNorm().transpose().array() / (-2 * noise_variance);
  const Eigen::VectorXd posterior = (evidence - evidence.maxCoeff()).exp().matrix();
  return posterior.dot(pool * prompt.query) / posterior.sum();
}

}  // namespace saltus::icl_regression
