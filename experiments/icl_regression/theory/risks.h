#pragma once
#include "experiments/icl_regression/theory/isotropic_task.h"

namespace saltus::icl_regression {

// Risks E (yhat - y_q)^2, the query's noise included where it has any. With W = X'X ~ Wishart_d(L, I), and
// Wishart_d(L-1, I) after centring, E W = n I and E W^2 = n (n + d + 1) I give the exact ones for every L; He et al.
// 2025 state the limits, the finite-L forms are ours (for b = 1/d they are those of the spec's section 4).

/// Answering 0: b d + query noise.
double zero_risk(const IsotropicTask& task);

/// gradient_descent(eta): b d (1 - 2 eta + eta^2 (1 + (d + 1 + sigma^2 / b) / L)) + query noise.
double gd_risk(const IsotropicTask& task, double eta);
/// L / (L + d + 1 + sigma^2 / b)
double gd_optimal_eta(const IsotropicTask& task);
double gd_optimal_risk(const IsotropicTask& task);

/// debiased_gradient_descent(eta): b d (1 - 2 eta (L-1)/L + eta^2 (L-1) (L + d + sigma^2 / b) / L^2) + query noise.
double dgd_risk(const IsotropicTask& task, double eta);
/// L / (L + d + sigma^2 / b)
double dgd_optimal_eta(const IsotropicTask& task);
/// b d (1 - (L-1) / (L + d + sigma^2 / b)) + query noise
double dgd_optimal_risk(const IsotropicTask& task);

/// Linear attention that learned eta with 1 / `train_length` in its weights, on this task's length: its prediction
/// comes out times r = L / train_length, so the risk is gd_risk(eta r).
double linear_attention_risk(const IsotropicTask& task, double eta, int train_length);

/// Bayes risk (ridge with lambda = sigma^2 / b) in the limit d, L -> infinity at d / L fixed: with s = sigma^2 / (b d)
/// and xi = d / L, (b d / 2) (s + (xi-1)/xi + sqrt(4 s + (s + (1-xi)/xi)^2)), less sigma^2 for a noiseless query.
double ridge_asymptotic_risk(const IsotropicTask& task);

/// The infimum of He et al.'s approximate loss over two or more heads, reached as gamma -> 0:
/// b d xi (1+s) / (1 + xi (1+s)) + query noise. Below the true optimum dgd_optimal_risk at finite L.
double approximate_loss_limit(const IsotropicTask& task);
/// He et al.'s eta* = 1 / (1 + (1+s) xi), the learning rate at that infimum.
double approximate_optimal_eta(const IsotropicTask& task);
/// He et al.'s Theorem 1(c): the limit of DGD(eta*)'s risk over Bayes' is at most
/// 1 + ((1 + xi s) (1 + s + 1/xi) s)^-1. Both risks with a noisy query.
double dgd_over_bayes_bound(const IsotropicTask& task);

}  // namespace saltus::icl_regression
