#pragma once
#include <Eigen/Core>
#include <span>
#include <vector>

#include "data/linear_regression.h"
#include "probes/probe.h"

namespace saltus::icl_regression {

/// What the known predictors, tuned for coefficients that do not drift, lose on the batch's own samples, so that a model's loss can be read against them on the
/// same data. Each predictor of task n sees the coordinates S_n, and its loss is the mean over the tasks:
///   zero               answers 0
///   gd_optimal         gradient_descent at the learning rate that is best for the config
///   dgd_optimal        debiased_gradient_descent, likewise
///   preconditioned_gd  preconditioned_gradient_descent with its best Omega; only where Sigma is not isotropic
///   single_head        one softmax head at the minimum of the approximate loss for this length
///   ridge              lambda = sigma^2 / b: Bayes, as long as the tasks have nothing in common
///   joint_ridge        Bayes for tasks that share beta: the posterior mean given all tasks' labels; only there
///   dmmse              Bayes for coefficients out of the pool, given all tasks' labels; only with a pool
class ReferenceRisks : public Probe {
 public:
  /// `pool` as LinearRegression::pool(): [pool, task, input], empty without one. Bayes predictors for labels without
  /// noise are limits, which are taken at a noise of 1e-9 of the label's variance.
  explicit ReferenceRisks(const LinearRegressionConfig& config, std::span<const float> pool = {});

  std::vector<std::string> taps() const override { return {}; }
  /// risk [predictor]
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

  /// The predictors' names, in the order of the axis.
  const std::vector<std::string>& labels() const { return labels_; }
  /// The expectation of risk [predictor] when coefficients are drawn afresh; NaN where there is no formula.
  std::vector<double> exact_risk() const;
  /// The same when they are drawn from the pool.
  std::vector<double> exact_pool_risk() const;

 private:
  /// What the predictors of one task need to know.
  struct TaskReferences {
    std::vector<int> support;  // S_n
    double gd_eta, dgd_eta;
    Eigen::MatrixXd preconditioner;  // of plain GD, in the support's coordinates
    double head_omega, head_mu;
    double noise_variance;  // sigma_n^2, kept above 0 as told at the constructor
    Eigen::MatrixXd pool;   // [pool, input]; 0 off the support
  };
  struct Workspace;
  void predict_each(Workspace& w) const;
  void predict_jointly(Workspace& w) const;
  void predict_from_pool(Workspace& w) const;
  std::vector<double> exact(bool pooled) const;

  LinearRegressionConfig config_;
  std::vector<std::string> labels_;
  std::vector<TaskReferences> tasks_;
  double beta_variance_;
  std::int64_t pool_size_;
  bool preconditioned_, joint_;
};

}  // namespace saltus::icl_regression
