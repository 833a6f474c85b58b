#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/rng.h"
#include "data/task.h"

namespace saltus {

/// The knobs of LinearRegression; data/README.md explains the task.
struct LinearRegressionConfig {
  std::int64_t n_context = 40;
  std::int64_t input_dim = 5;
  std::string covariance = "isotropic";
  double covariance_decay = 0.5;
  std::vector<double> covariance_matrix;
  std::optional<double> beta_std;
  double noise_std = 0.31622776601683794;
  std::string noise_scaling = "none";
  bool noisy_query = true;
  std::vector<std::string> supports;
  bool shared_beta = true;
  std::int64_t pool_size = 0;
  double drift = 0;

  void fields(Fields& f);

  std::int64_t n_tasks() const { return supports.empty() ? 1 : static_cast<std::int64_t>(supports.size()); }  // N
  std::int64_t n_features() const { return input_dim + n_tasks(); }                                           // d + N
  /// Standard deviation of a coefficient: beta_std, or 1 / sqrt(d).
  double coefficient_std() const;
  /// Standard deviation of task n's label noise: noise_std, or noise_std sqrt(|S_n|) with noise_scaling: support.
  double label_noise_std(int task) const;
  /// Coordinates that task n reads (S_n), rising, 0-based; all of them when no supports are given. Throws on a text
  /// that is not one.
  std::vector<int> support(int task) const;
  /// Sigma [input_dim, input_dim], row-major: the covariates' covariance.
  std::vector<double> sigma() const;
};

/// In-context linear regression (He, Pan, Chen, Yang 2025, arXiv 2503.12734, section 2): L pairs of x ~ N(0, Sigma) and
/// y_n = beta_n . x over the coordinates S_n, plus noise; then a query x whose y_n are asked. With drift q > 0 beta
/// walks: beta_{l+1} = sqrt(1 - q^2) beta_l + q xi_l, xi_l of beta's own law, so that every beta_l has that law.
///
/// Arrays of a sample, in the order of fields():
///   tokens   f32 [feature = d+N, position = L+1]  the paper's Z_ebd: column l is (x_l, y_l), the last (x_q, 0)
///   target   f32 [task = N]                       y_q; with the query's own noise unless noisy_query is off
///   beta     f32 [task = N, input = d]            the coefficients, 0 off S_n; with drift, those of the query
///   task_id  i32 []                               which entry of the pool; 0 without one, -1 for a beta outside it
class LinearRegression : public Task {
 public:
  enum Field { tokens_field, target_field, beta_field, task_id_field };

  /// Throws when `config` breaks a rule between its keys. That each key is in its range was checked where it was read.
  LinearRegression(const LinearRegressionConfig& config, const Seeds& seeds);

  std::vector<SampleField> fields() const override;
  /// test: as training. With a pool also fresh: coefficients outside it.
  std::vector<std::string> eval_sets() const override;
  void sample_train(std::int64_t step, int first, const Batch& batch) const override;
  void sample_eval(int set, int first, const Batch& batch) const override;

  const LinearRegressionConfig& config() const { return config_; }
  /// The pool's coefficients, [pool, task, input]; empty without one.
  std::span<const float> pool() const { return pool_; }

 private:
  struct Walk;

  void sample(const Rng& rng, std::uint32_t step, bool from_pool, int first, const Batch& batch) const;
  std::size_t coefficients_drawn() const;
  void write_coefficients(const float* normals, float* beta) const;
  void write_covariates(const float* normals, float* x) const;
  void write_labels(const float* x, const float* beta, float* noise, float* y, float* target) const;
  void add_drift(const float* x, const float* beta, Walk& walk, float* y) const;

  LinearRegressionConfig config_;
  Rng data_rng_, eval_rng_;
  float coefficient_std_;
  std::vector<std::vector<int>> supports_;  // [task]
  std::vector<float> noise_std_;            // [task]
  std::vector<float> factor_;               // [input, input], lower triangle C with C C^T = Sigma; empty when isotropic
  std::vector<float> pool_;
};

}  // namespace saltus
