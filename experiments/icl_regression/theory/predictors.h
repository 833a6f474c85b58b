#pragma once
#include <Eigen/Core>
#include <span>

namespace saltus::icl_regression {

/// One prompt of one task, in double.
struct Prompt {
  Eigen::MatrixXd x;      // [position = L, input = d]
  Eigen::VectorXd y;      // [position]
  Eigen::VectorXd query;  // [input]
};

/// The prompt through the coordinates `support` alone, which is what task n with support S_n depends on.
Prompt restricted(const Prompt& prompt, std::span<const int> support);

// Each predictor answers the prompt's query. He et al. 2025, section "Predictors", unless another source is named.

/// One step of gradient descent from 0 on the squared error: (eta / L) sum_l y_l x_l . x_q.
double gradient_descent(const Prompt& prompt, double eta);
/// The same with centred covariates: (eta / L) sum_l y_l (x_l - mean x) . x_q. What two softmax heads learn.
double debiased_gradient_descent(const Prompt& prompt, double eta);
/// (1 / L) sum_l y_l x_l' Omega x_q, with Omega [input, input] (Ahn et al. 2023; He et al.'s non-isotropic case).
double preconditioned_gradient_descent(const Prompt& prompt, const Eigen::MatrixXd& preconditioner);
/// (1 / L) sum_l y_l (x_l - mean x)' Omega x_q.
double debiased_preconditioned_gradient_descent(const Prompt& prompt, const Eigen::MatrixXd& preconditioner);

/// mu sum_l y_l softmax_l(omega x_l . x_q): what one softmax head with the learned pattern computes.
double kernel_regressor(const Prompt& prompt, double omega, double mu);
/// The sum of one kernel regressor a head; omega and mu are [head].
double kernel_regressors(const Prompt& prompt, const Eigen::VectorXd& omega, const Eigen::VectorXd& mu);

/// (X'X + lambda I)^-1 X'y, [input]. lambda = sigma^2 / b is the posterior mean for beta ~ N(0, b I) whatever the
/// covariates' law is, hence Bayes. lambda > 0.
Eigen::VectorXd ridge_coefficients(const Prompt& prompt, double lambda);
double ridge(const Prompt& prompt, double lambda);
/// Least squares; with fewer pairs than coordinates the solution of least norm.
double least_squares(const Prompt& prompt);
/// Garg et al. 2022's averaging baseline: the coefficients are mean_l y_l x_l.
double averaging(const Prompt& prompt);
/// Raventos et al. 2023's dMMSE, the posterior mean when beta is one of the rows of `pool` [pool, input], each as
/// likely as another: sum_m softmax_m(-|y - X w_m|^2 / (2 sigma^2)) w_m . x_q. noise_variance > 0.
double dmmse(const Prompt& prompt, const Eigen::MatrixXd& pool, double noise_variance);

}  // namespace saltus::icl_regression
