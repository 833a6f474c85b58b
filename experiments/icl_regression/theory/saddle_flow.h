#pragma once
#include <Eigen/Core>
#include <span>
#include <vector>

#include "study/ode.h"

namespace saltus::icl_regression {

/// Linear attention's task in the eigenbasis of its covariates (Zhang et al. 2025, arXiv 2501.16265): x ~ N(0,
/// diag(lambda)), beta ~ N(0, b I), L pairs. The paper has b = 1 and no noise.
struct SpectralTask {
  Eigen::VectorXd eigenvalues;  // lambda, falling
  int n_context;                // L, their N
  double beta_variance = 1;     // b
  double noise_variance = 0;    // sigma^2

  /// a_i = 1 + (1 + (sum lambda + sigma^2 / b) / lambda_i) / L
  Eigen::VectorXd spread() const;
  /// The population loss E (y_q - yhat)^2 of yhat = (1/L) sum_l y_l x_l' Omega x_q with a query without noise:
  ///   b (tr Lambda - 2 tr(Lambda^2 Omega) + tr(M Omega Lambda Omega')), M = Lambda^2 diag(a).
  double loss(const Eigen::MatrixXd& omega) const;
  /// Half its derivative by Omega, b (M Omega Lambda - Lambda^2): the flows below descend loss / 2, as the paper does.
  Eigen::MatrixXd half_gradient(const Eigen::MatrixXd& omega) const;
  /// Loss of the fixed points that a saddle-to-saddle run passes, [eigenvalue + 1]: entry m has the m largest
  /// components, b (tr Lambda - sum_{i < m} lambda_i / a_i).
  Eigen::VectorXd plateaus() const;
  /// v* = (lambda_i a_i)^(-1/3), the size at which a rank-one head comes to rest in component i, [eigenvalue].
  Eigen::VectorXd resting_values() const;
  /// dv/dt = b (lambda^2 v^2 - lambda^3 a v^5): a rank-one head with value v and |k| = |q| = v along component i.
  double scalar_velocity(int component, double v) const;
};

/// Heads with separate keys and queries of rank one: Omega = sum_h v_h k_h q_h'.
struct RankOneHeads {
  Eigen::VectorXd v;     // [head]
  Eigen::MatrixXd k, q;  // [input, head]
  Eigen::MatrixXd omega() const { return k * v.asDiagonal() * q.transpose(); }
};
/// Heads with one matrix for key and query: Omega = sum_h v_h U_h.
struct MergedHeads {
  Eigen::VectorXd v;               // [head]
  std::vector<Eigen::MatrixXd> u;  // [head], each [input, input]
  Eigen::MatrixXd omega() const;
};

template <class HeadsType>
struct SaddleFlow {
  std::vector<double> times;
  std::vector<HeadsType> heads;  // one a time
  std::vector<double> loss;
};

/// Gradient flow of loss / 2, recorded at `times`. v_h^2 - |k_h|^2 and v_h^2 - |q_h|^2 stay what they are. From small
/// starts the loss falls in one drop a component, largest first, with plateaus at SpectralTask::plateaus().
SaddleFlow<RankOneHeads> rank_one_flow(const SpectralTask& task, const RankOneHeads& start,
                                       std::span<const double> times, const OdeTolerance& tolerance = {});
/// The same for merged heads: v_h^2 - |U_h|_F^2 stays. Only 0 and the optimum are fixed points, so there is one drop.
SaddleFlow<MergedHeads> merged_flow(const SpectralTask& task, const MergedHeads& start, std::span<const double> times,
                                    const OdeTolerance& tolerance = {});

/// When a recorded loss first lies below the middle between levels m and m + 1, [level - 1]; NaN where it never does.
std::vector<double> drop_times(std::span<const double> times, std::span<const double> loss,
                               const Eigen::VectorXd& levels);

}  // namespace saltus::icl_regression
