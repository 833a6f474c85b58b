#pragma once
#include <Eigen/Dense>
#include <vector>

#include "experiments/icl_regression/random_features/features.h"

/// Ridge regression on the first n of a set of training samples, for any n at once:
///     v(n, lambda) = argmin_v sum_{i < n} (y_i - <v, phi_i>)^2 + lambda |v|^2.
/// Products of features are made in f32 and added up in f64; the solves are in f64. `targets` are [sample, target], one
/// regression a column; predictions have the same columns.
namespace saltus::icl_regression {

/// Through the Gram matrix of the samples, K_ij = <phi_i, phi_j>: alpha = (K + lambda I)^-1 y and v = sum_i alpha_i
/// phi_i. One Cholesky factor serves every n, since the factor of a leading block is the leading block of the factor.
class DualRidge {
 public:
  DualRidge(const RandomFeatures& features, const Sequences& train, const Sequences& test);

  /// The mean of |phi_i|^2 over the training samples: what lambda should be measured in.
  double mean_square() const { return diagonal_.mean(); }
  /// To be called before fit(). Throws Error if K + lambda I is not positive definite in f64.
  void set_lambda(double lambda);
  /// alpha of the first n samples, for the last lambda set: [n, target].
  Eigen::MatrixXd fit(Eigen::Index n, const Eigen::MatrixXd& targets) const;
  /// Predictions for training samples first..first+count-1, none of which took part in the fit (first >= its n).
  Eigen::MatrixXd on_train(const Eigen::MatrixXd& alpha, Eigen::Index first, Eigen::Index count) const;
  Eigen::MatrixXd on_test(const Eigen::MatrixXd& alpha) const;

 private:
  Eigen::MatrixXd gram_;      // [train, train]: K above the diagonal, Cholesky's factor of K + lambda I on and below it
  Eigen::VectorXd diagonal_;  // [train] of K
  Eigen::MatrixXd cross_;     // [train, test]: <phi_i, phi_j>
};

/// Through the moments of the features, (sum_i phi_i phi_i' + lambda I) v = sum_i y_i phi_i: cheaper where features are
/// fewer than samples.
class PrimalRidge {
 public:
  PrimalRidge(const RandomFeatures& features, const Sequences& train, const Sequences& test);

  double mean_square() const;
  void set_lambda(double lambda) { lambda_ = lambda; }
  /// v: [feature, target].
  Eigen::MatrixXd fit(Eigen::Index n, const Eigen::MatrixXd& targets) const;
  Eigen::MatrixXd on_train(const Eigen::MatrixXd& v, Eigen::Index first, Eigen::Index count) const;
  Eigen::MatrixXd on_test(const Eigen::MatrixXd& v) const;

 private:
  using Features = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // [sample, feature]
  static Features all_features(const RandomFeatures& features, const Sequences& sequences);

  Features train_, test_;
  double lambda_ = 0;
};

/// How lambda is chosen, for each n and target alone and from its n training samples alone: a fit on the first (1 -
/// held_out) n is scored on the rest, and the lambda that did best there is used for a fit on all n.
struct LambdaSearch {
  std::vector<double> grid;  // in units of mean_square()
  double held_out = 0.2;     // fraction of the n samples
};

/// What the search found, each [n_train, target]. Risks are means over the test samples of (prediction - target)^2.
struct RidgeRisks {
  Eigen::ArrayXXd test_risk;
  Eigen::ArrayXXd lambda;  // in units of mean_square()
};

/// The risks of `features` trained on the first n of `train` for every n of n_train, the largest of which is
/// train.samples. Takes the form with fewer multiplications: the dual one wherever the largest n is less than the
/// number of features, and beyond that until features are few. Runs on the calling thread.
RidgeRisks ridge_risks(const RandomFeatures& features, const Sequences& train, const Eigen::MatrixXd& train_targets,
                       const Sequences& test, const Eigen::MatrixXd& test_targets,
                       const std::vector<std::int64_t>& n_train, const LambdaSearch& search);

}  // namespace saltus::icl_regression
