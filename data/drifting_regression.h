#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/rng.h"
#include "data/task.h"

namespace saltus {

/// The knobs of DriftingRegression.
struct DriftingRegressionConfig {
  std::int64_t n_pairs = 32;
  std::int64_t input_dim = 8;
  std::int64_t output_dim = 1;
  double noise_std = 0.1;
  double drift = 0;
  double fast_drift = 0.3;

  void fields(Fields& f);

  /// E y^2 = 1 + noise_std^2, at every pair and rate: the squared error of the answer 0.
  double label_variance() const { return 1 + noise_std * noise_std; }
};

/// Regression whose coefficients walk while the pairs go by, asked at every x: T pairs
///   y_t = W_t x_t + noise,   W_{t+1} = sqrt(1 - q^2) W_t + q Xi_t,
/// x uniform on the sphere of radius sqrt(d), W_1 and Xi of independent N(0, 1/d), noise of N(0, noise_std^2). So every
/// W_t has the law of W_1, whatever q, and what W_t tells of W_{t+k} falls as (1 - q^2)^(k/2). All x have one length
/// because a memory with unit keys, or a model that normalises its tokens, sees nothing else of them.
///
/// Arrays of a sample, in the order of fields():
///   x      f32 [pair = T, input = d]
///   y      f32 [pair = T, output]
///   drift  f32 []                     q of this sample, which its test set says
///
/// Test sets, the same x, noise and Xi in each, so that they can be compared in pairs:
///   test    the drift that is trained
///   static  W stays (q = 0)
///   fast    q = fast_drift
class DriftingRegression : public Task {
 public:
  enum Field { x_field, y_field, drift_field };

  DriftingRegression(const DriftingRegressionConfig& config, const Seeds& seeds);

  std::vector<SampleField> fields() const override;
  std::vector<std::string> eval_sets() const override { return {"test", "static", "fast"}; }
  void sample_train(std::int64_t step, int first, const Batch& batch) const override;
  void sample_eval(int set, int first, const Batch& batch) const override;

  const DriftingRegressionConfig& config() const { return config_; }
  /// q of the test sets, in their order.
  std::vector<double> eval_drifts() const { return {config_.drift, 0, config_.fast_drift}; }

 private:
  void sample(const Rng& rng, std::uint32_t step, double drift, int first, const Batch& batch) const;

  DriftingRegressionConfig config_;
  Rng data_rng_, eval_rng_;
};

}  // namespace saltus
