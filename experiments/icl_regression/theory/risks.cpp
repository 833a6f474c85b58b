#include "experiments/icl_regression/theory/risks.h"

#include <cmath>

namespace saltus::icl_regression {
namespace {

double length(const IsotropicTask& t) { return t.n_context; }
double dimension(const IsotropicTask& t) { return t.input_dim; }
/// sigma^2 / b, the ridge parameter that Bayes uses.
double noise_over_beta(const IsotropicTask& t) { return t.noise_variance / t.beta_variance; }

}  // namespace

double zero_risk(const IsotropicTask& t) { return t.signal() + t.query_noise(); }

double gd_risk(const IsotropicTask& t, double eta) {
  const double square = 1 + (dimension(t) + 1 + noise_over_beta(t)) / length(t);
  return t.signal() * (1 - 2 * eta + eta * eta * square) + t.query_noise();
}

double gd_optimal_eta(const IsotropicTask& t) {
  return length(t) / (length(t) + dimension(t) + 1 + noise_over_beta(t));
}

double gd_optimal_risk(const IsotropicTask& t) { return t.signal() * (1 - gd_optimal_eta(t)) + t.query_noise(); }

double dgd_risk(const IsotropicTask& t, double eta) {
  const double kept = (length(t) - 1) / length(t);
  const double square = kept * (length(t) + dimension(t) + noise_over_beta(t)) / length(t);
  return t.signal() * (1 - 2 * eta * kept + eta * eta * square) + t.query_noise();
}

double dgd_optimal_eta(const IsotropicTask& t) { return length(t) / (length(t) + dimension(t) + noise_over_beta(t)); }

double dgd_optimal_risk(const IsotropicTask& t) {
  return t.signal() * (1 - (length(t) - 1) / (length(t) + dimension(t) + noise_over_beta(t))) + t.query_noise();
}

double linear_attention_risk(const IsotropicTask& t, double eta, int train_length) {
  return gd_risk(t, eta * length(t) / train_length);
}

double ridge_asymptotic_risk(const IsotropicTask& t) {
  const double s = t.relative_noise(), xi = dimension(t) / length(t), gap = (1 - xi) / xi;
  const double with_noise = 0.5 * (s - gap + std::sqrt(4 * s + (s + gap) * (s + gap)));
  return t.signal() * (with_noise - s) + t.query_noise();
}

double approximate_loss_limit(const IsotropicTask& t) {
  const double cd = t.label_noise() * dimension(t);
  return t.signal() * cd / (1 + cd) + t.query_noise();
}

double approximate_optimal_eta(const IsotropicTask& t) { return 1 / (1 + t.label_noise() * dimension(t)); }

double dgd_over_bayes_bound(const IsotropicTask& t) {
  const double s = t.relative_noise(), xi = dimension(t) / length(t);
  return 1 + 1 / (s * (1 + xi * s) * (1 + s + 1 / xi));
}

}  // namespace saltus::icl_regression
