#pragma once
#include <Eigen/Core>
#include <span>
#include <string>
#include <vector>

#include "data/drifting_regression.h"
#include "probes/probe.h"

namespace saltus::titans {

/// The Bayes-optimal predictor of DriftingRegression, for all outputs at once: the Kalman filter of coefficients that
/// begin as N(0, I/d) and walk at `drift`, seen through y = W x + noise. With drift 0 it is ridge regression, lambda =
/// d noise_variance, by recursive least squares.
class KalmanRegression {
 public:
  /// A noise_variance of 0 is taken as 1e-9: what the filter tends to.
  KalmanRegression(std::int64_t input_dim, std::int64_t output_dim, double noise_variance, double drift);

  /// E[y | x, all that was observed], [output].
  Eigen::VectorXd predict(const Eigen::VectorXd& x) const { return mean_ * x; }
  /// Takes in a pair, and the step of the walk after it.
  void observe(const Eigen::VectorXd& x, const Eigen::VectorXd& y);

 private:
  double noise_variance_, drift_;
  Eigen::MatrixXd mean_, covariance_;  // of W: [output, input]; [input, input], the same for every output
};

/// M <- (1 - alpha) M + beta (y - M x) x' / d, from M = 0, predicting M x: with unit keys x / sqrt(d) one write of a
/// linear memory with theta = beta / 2 and no momentum. Hebbian: beta y x' / d instead.
struct ConstantRule {
  bool hebbian;
  double beta, alpha;
};

/// The expected squared error over E y^2 [pair], exact: x_t is independent of W_t and M_t, so that E|M|^2 and E<M, W>
/// follow from themselves one pair before.
std::vector<double> expected_errors(const DriftingRegressionConfig& task, double drift, const ConstantRule& rule);
/// Their mean over pairs.
double expected_error(const DriftingRegressionConfig& task, double drift, const ConstantRule& rule);
/// beta, and alpha unless it is held at 0, of the smallest expected_error.
ConstantRule best_rule(const DriftingRegressionConfig& task, double drift, bool hebbian, bool decay);

/// What predictors that know the task lose on the batch's own samples, over E y^2. Each is made for the rate of the
/// sample's own test set, but for kalman_trained, which holds the training's everywhere:
///   kalman, kalman_trained         KalmanRegression
///   ridge                          KalmanRegression for drift 0
///   delta, delta_decay, hebb_decay the ConstantRule that is best for the rate
class DriftReferences : public Probe {
 public:
  explicit DriftReferences(const DriftingRegressionConfig& config, std::span<const double> drifts);

  std::vector<std::string> taps() const override { return {}; }
  /// risk [predictor], mean over pairs; pointwise_risk [predictor, n_seen]
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

  static const std::vector<std::string>& labels();
  static bool is_rule(const std::string& label) { return label.starts_with("delta") || label.starts_with("hebb"); }
  /// The rule of predictor `label` at drifts[set]; throws for those that are none.
  const ConstantRule& rule(std::size_t set, const std::string& label) const;

 private:
  struct OfRate {
    double drift;
    std::vector<ConstantRule> rules;  // delta, delta_decay, hebb_decay
  };
  DriftingRegressionConfig config_;
  std::vector<OfRate> rates_;
};

}  // namespace saltus::titans
