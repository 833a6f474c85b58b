#pragma once
#include <Eigen/Core>
#include <vector>

#include "data/linear_regression.h"

namespace saltus::icl_regression {

/// N regression tasks on the same covariates x ~ N(0, Sigma): beta_n ~ N(0, B_n), label noise of variance sigma_n^2.
/// How the beta_n depend on each other does not matter to the risks below, which are means over the tasks.
struct GaussianTasks {
  struct Task {
    Eigen::MatrixXd beta_covariance;  // B_n [input, input]
    double noise_variance;            // sigma_n^2
  };
  Eigen::MatrixXd sigma;  // [input, input]
  int n_context;          // L
  std::vector<Task> tasks;
  bool noisy_query = true;
};

/// The tasks of a config in all its coordinates: B_n = b on S_n, 0 elsewhere.
GaussianTasks gaussian_tasks(const LinearRegressionConfig& config);
/// Task n alone, in the coordinates of its support: Sigma becomes [|S_n|, |S_n|], B_n = b I.
GaussianTasks gaussian_task(const LinearRegressionConfig& config, int task);

/// Preconditioned GD, (1/L) sum_l y_l x_l' Omega x_q, or its debiased form with x_l - mean x.
enum class Centring { none, debiased };

/// Its exact risk for any L and any Omega [input, input], mean over the tasks, query noise included where it has any:
///   tr(B Sigma) + query noise - 2 q tr(B Sigma Omega' Sigma) + tr(M Omega Sigma Omega'),
/// M = E g g' for g = (1/L) sum_l y_l x_l: (1 + 1/L) Sigma B Sigma + ((tr(B Sigma) + sigma^2) / L) Sigma and q = 1;
/// centred, (L-1)/L Sigma B Sigma + ((L-1) / L^2) (tr(B Sigma) + sigma^2) Sigma and q = (L-1)/L (Wishart moments, as in
/// risks.h).
double preconditioned_risk(const GaussianTasks& tasks, const Eigen::MatrixXd& preconditioner, Centring centring);

/// The Omega of least risk, one for all tasks, setting that risk's derivative to 0:
///   ((1 + 1/L) B Sigma + (tau / L) I)^-1 B with B = sum_n B_n, tau = sum_n (tr(B_n Sigma) + sigma_n^2);
/// without the 1/L in front of B Sigma when debiased. With one task and B = I/d it is the optimum of linear attention
/// ((1 + 1/L) Sigma + ((tr Sigma + d sigma^2) / L) I)^-1 (Ahn et al. 2023; He et al. 2025's non-isotropic case); with
/// Sigma = I and supports it is diagonal, what one pair of heads shares between the tasks.
Eigen::MatrixXd optimal_preconditioner(const GaussianTasks& tasks, Centring centring);

/// The best multiple of the identity, which is gd_optimal_eta or dgd_optimal_eta for one isotropic task.
double optimal_eta(const GaussianTasks& tasks, Centring centring);

}  // namespace saltus::icl_regression
