#include "experiments/icl_regression/theory/solution_manifold.h"

#include <cmath>
#include <limits>

namespace saltus::icl_regression {
namespace {

/// What the distance depends on: heads by the sign of mu.
struct Sides {
  int positive = 0, negative = 0;
  double positive_mu = 0, negative_mu = 0;  // sums of mu
};

Sides sides(const Heads& heads) {
  Sides s;
  for (double mu : heads.mu) {
    if (mu > 0) {
      ++s.positive;
      s.positive_mu += mu;
    } else if (mu < 0) {
      ++s.negative;
      s.negative_mu += mu;
    }
  }
  return s;
}

/// Distance to S_gamma. In mu the manifold only fixes two sums, so what a sum is off by is shared out over its n heads:
/// Euclidean distance |off| / sqrt(n).
ManifoldDistance distance_at(const ApproximateLoss& loss, const Heads& heads, const Sides& s, double gamma) {
  const double target = manifold_mu(loss, gamma);
  const double above = s.positive_mu - target, below = s.negative_mu + target;
  double omega = 0;
  for (Eigen::Index h = 0; h < heads.omega.size(); ++h) {
    const double sign = heads.mu[h] > 0 ? 1 : heads.mu[h] < 0 ? -1 : 0;
    omega += std::pow(heads.omega[h] - gamma * sign, 2);
  }
  const double mu = above * above / s.positive + below * below / s.negative;
  return {gamma, std::sqrt(omega), std::sqrt(mu), std::sqrt(omega + mu)};
}

}  // namespace

double manifold_mu(const ApproximateLoss& loss, double gamma) {
  const double d = loss.task().input_dim, c = loss.task().label_noise();
  return gamma / 2 / (gamma * gamma + c * std::sinh(d * gamma * gamma));
}

ManifoldDistance distance_to_manifold(const ApproximateLoss& loss, const Heads& heads) {
  const Sides s = sides(heads);
  if (s.positive == 0 || s.negative == 0) {
    constexpr double none = std::numeric_limits<double>::infinity();
    return {std::numeric_limits<double>::quiet_NaN(), none, none, none};
  }
  // The distance need not have one valley in gamma: look at a grid first, then narrow the best cell by golden section.
  constexpr int cells = 200;
  const double low = std::log(1e-4 / std::sqrt(loss.task().input_dim)), step = std::log(2e4) / cells;
  const auto at = [&](double log_gamma) { return distance_at(loss, heads, s, std::exp(log_gamma)); };
  int best = 0;
  for (int i = 1; i <= cells; ++i) {
    if (at(low + i * step).distance < at(low + best * step).distance) best = i;
  }
  double left = low + std::max(best - 1, 0) * step, right = low + std::min(best + 1, cells) * step;
  const double golden = (std::sqrt(5.0) - 1) / 2;
  while (right - left > 1e-9) {
    const double a = right - golden * (right - left), b = left + golden * (right - left);
    (at(a).distance < at(b).distance ? right : left) = at(a).distance < at(b).distance ? b : a;
  }
  return at((left + right) / 2);
}

}  // namespace saltus::icl_regression
