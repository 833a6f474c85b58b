#include "experiments/icl_regression/theory/approximate_loss.h"

#include <Eigen/QR>
#include <cmath>

#include "core/check.h"

namespace saltus::icl_regression {
namespace {

/// omega omega' + c exp(d omega omega'), [head, head]: mu's quadratic form.
Eigen::MatrixXd quadratic_form(const Eigen::VectorXd& omega, double d, double c) {
  const Eigen::MatrixXd outer = omega * omega.transpose();
  return outer + c * (d * outer.array()).exp().matrix();
}

}  // namespace

double ApproximateLoss::value(const Heads& heads) const {
  check(heads.omega.size() == heads.mu.size(), "approximate loss: {} values of omega, {} of mu; a head has one of each",
        heads.omega.size(), heads.mu.size());
  const double quadratic = heads.mu.dot(quadratic_form(heads.omega, task_.input_dim, task_.label_noise()) * heads.mu);
  return task_.query_noise() + task_.signal() * (1 - 2 * heads.mu.dot(heads.omega) + quadratic);
}

double ApproximateLoss::series(const Heads& heads, int terms) const {
  const double fit = 1 - heads.mu.dot(heads.omega);
  double sum = fit * fit, weight = task_.label_noise();  // weight: c d^k / k!
  Eigen::ArrayXd power = Eigen::ArrayXd::Ones(heads.omega.size());
  for (int k = 0; k < terms; ++k) {
    const double overlap = (heads.mu.array() * power).sum();
    sum += weight * overlap * overlap;
    power *= heads.omega.array();
    weight *= task_.input_dim / (k + 1.0);
  }
  return task_.query_noise() + task_.signal() * sum;
}

void ApproximateLoss::gradient(const Eigen::Ref<const Eigen::VectorXd>& omega,
                               const Eigen::Ref<const Eigen::VectorXd>& mu, Eigen::Ref<Eigen::VectorXd> d_omega,
                               Eigen::Ref<Eigen::VectorXd> d_mu) const {
  const double d = task_.input_dim, c = task_.label_noise(), scale = 2 * task_.signal();
  const double unexplained = 1 - mu.dot(omega);
  for (Eigen::Index h = 0; h < omega.size(); ++h) {
    double by_mu = 0, by_mu_omega = 0;  // (E mu)_h and (E (mu o omega))_h
    for (Eigen::Index j = 0; j < omega.size(); ++j) {
      const double pulled = std::exp(d * omega[h] * omega[j]) * mu[j];
      by_mu += pulled;
      by_mu_omega += pulled * omega[j];
    }
    d_omega[h] = scale * mu[h] * (d * c * by_mu_omega - unexplained);
    d_mu[h] = scale * (c * by_mu - unexplained * omega[h]);
  }
}

Heads ApproximateLoss::gradient(const Heads& heads) const {
  Heads g{Eigen::VectorXd(heads.omega.size()), Eigen::VectorXd(heads.omega.size())};
  gradient(heads.omega, heads.mu, g.omega, g.mu);
  return g;
}

Eigen::VectorXd ApproximateLoss::optimal_mu(const Eigen::VectorXd& omega) const {
  return quadratic_form(omega, task_.input_dim, task_.label_noise()).completeOrthogonalDecomposition().solve(omega);
}

double ApproximateLoss::two_heads(double omega, double mu) const {
  const double spread = task_.label_noise() * std::sinh(task_.input_dim * omega * omega);
  return task_.query_noise() + task_.signal() * (1 - 4 * mu * omega + 4 * mu * mu * (omega * omega + spread));
}

double ApproximateLoss::two_heads_best(double omega) const {
  const double spread = task_.label_noise() * std::sinh(task_.input_dim * omega * omega);
  return task_.query_noise() + task_.signal() * spread / (omega * omega + spread);
}

Heads ApproximateLoss::single_head() const {
  const double d = task_.input_dim, cde = task_.label_noise() * d * std::exp(1.0);
  return {Eigen::VectorXd::Constant(1, 1 / std::sqrt(d)), Eigen::VectorXd::Constant(1, std::sqrt(d) / (1 + cde))};
}

double ApproximateLoss::single_head_loss() const {
  const double cde = task_.label_noise() * task_.input_dim * std::exp(1.0);
  return task_.query_noise() + task_.signal() * cde / (1 + cde);
}

}  // namespace saltus::icl_regression
