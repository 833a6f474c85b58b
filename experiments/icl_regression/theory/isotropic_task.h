#pragma once
#include "data/linear_regression.h"

namespace saltus::icl_regression {

/// One regression task with isotropic covariates as the closed forms know it: x ~ N(0, I_d), beta ~ N(0, b I_d),
/// y = beta . x + noise. The paper's b is 1/d, which makes signal() one; He et al.'s formulas are written for that, and
/// a general b follows by measuring y in units of sqrt(b d).
struct IsotropicTask {
  int input_dim = 5;            // d
  int n_context = 40;           // L
  double noise_variance = 0.1;  // sigma^2, of a label
  double beta_variance = 0.2;   // b, of one coefficient
  bool noisy_query = true;      // whether the y that is asked for carries the noise too

  /// E (beta . x)^2 = b d: the risk of answering 0, less the query's noise.
  double signal() const { return beta_variance * input_dim; }
  /// What no predictor can avoid: sigma^2 or, with a noiseless query, 0.
  double query_noise() const { return noisy_query ? noise_variance : 0; }
  /// sigma^2 / (b d), which is sigma^2 in the paper's units.
  double relative_noise() const { return noise_variance / signal(); }
  /// The paper's c = (1 + sigma^2) / L, with sigma^2 in units of the signal.
  double label_noise() const { return (1 + relative_noise()) / n_context; }
  /// The same task with another context length.
  IsotropicTask with_length(int length) const;
};

/// Task n of a config, restricted to its support: d = |S_n|, b and sigma^2 as the config has them. Says nothing about a
/// covariance: the caller knows whether the covariates are isotropic.
IsotropicTask isotropic_task(const LinearRegressionConfig& config, int task = 0);

}  // namespace saltus::icl_regression
