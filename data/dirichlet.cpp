#include "data/dirichlet.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace saltus {
namespace {

/// Uniform in (0, 1): its logarithm is finite.
double uniform(RngCursor& cursor) { return (cursor.next() + 0.5) * 0x1p-32; }

/// Box and Muller's, without its second normal: rejection makes pairs awkward.
double normal(RngCursor& cursor) {
  const double radius = std::sqrt(-2 * std::log(uniform(cursor)));
  return radius * std::cos(2 * std::numbers::pi * uniform(cursor));
}

/// The logarithm of a gamma variate of shape >= 1: d v with v = (1 + x / sqrt(9 d))^3, x normal.
double log_gamma_from_one(RngCursor& cursor, double shape) {
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = normal(cursor), root = 1 + c * x;
    if (root <= 0) continue;
    const double log_v = 3 * std::log(root);
    if (std::log(uniform(cursor)) < x * x / 2 + d - d * root * root * root + d * log_v) return std::log(d) + log_v;
  }
}

}  // namespace

double Dirichlet::log_gamma_variate(RngCursor& cursor) const {
  if (concentration_ == 1) return std::log(-std::log(uniform(cursor)));
  if (concentration_ > 1) return log_gamma_from_one(cursor, concentration_);
  const double boosted = log_gamma_from_one(cursor, concentration_ + 1);
  return boosted + std::log(uniform(cursor)) / concentration_;
}

void Dirichlet::draw(RngCursor& cursor, std::span<double> point) const {
  double sum = 0;
  if (concentration_ == 1) {  // the usual case, without going through logarithms of logarithms
    for (double& p : point) sum += p = -std::log(uniform(cursor));
  } else {
    for (double& p : point) p = log_gamma_variate(cursor);
    const double largest = *std::max_element(point.begin(), point.end());
    for (double& p : point) sum += p = std::exp(p - largest);
  }
  double floored = 0;
  for (double& p : point) floored += p = std::max(p / sum, least);
  for (double& p : point) p /= floored;
}

}  // namespace saltus
