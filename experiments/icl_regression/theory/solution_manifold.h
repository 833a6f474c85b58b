#pragma once
#include "experiments/icl_regression/theory/approximate_loss.h"

namespace saltus::icl_regression {

/// (gamma / 2) / (gamma^2 + c sinh(d gamma^2)): the sum of mu over the heads of one sign on He et al. 2025's solution
/// manifold S_gamma = {omega_h = gamma sign(mu_h), sum of mu over positive heads = -(sum over negative heads) =
/// mu_gamma}. gamma > 0; 1 / (2 gamma (1 + c d)) for small gamma.
double manifold_mu(const ApproximateLoss& loss, double gamma);

/// Where in (omega, mu) some heads stand relative to the manifolds of all gamma.
struct ManifoldDistance {
  double gamma;     // of the nearest manifold
  double omega;     // Euclidean distance in omega to its nearest point
  double mu;        // and in mu
  double distance;  // of both together
};

/// The nearest point over gamma in [1e-4, 2] / sqrt(d) that keeps the signs of mu; a head with mu = 0 is a dummy there
/// and wants omega = 0. Where all mu have the same sign there is no such point: the distances are infinite, gamma is
/// NaN.
ManifoldDistance distance_to_manifold(const ApproximateLoss& loss, const Heads& heads);

}  // namespace saltus::icl_regression
