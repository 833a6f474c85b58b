#pragma once
#include <span>

#include "core/rng.h"

namespace saltus {

/// Draws from Dirichlet distributions whose n parameters are all `concentration` (alpha): gamma variates of that shape
/// over their sum. 1 is uniform over the simplex; below it, mass gathers on a few; above it, points are near uniform.
///
/// Gamma variates are by Marsaglia and Tsang (2000): rejection from a cubed normal, with U^(1/alpha) for shapes below
/// 1; an exponential is -ln U. They are kept as logarithms: at alpha = 0.01 a variate is below the least double one
/// time in a thousand, and a point of zeros only could not be divided by its sum.
class Dirichlet {
 public:
  /// No probability is less; so that a chain of such rows can reach every state.
  static constexpr double least = 1e-12;

  explicit Dirichlet(double concentration) : concentration_(concentration) {}

  /// Fills `point` with one draw: positive numbers that add up to 1. How many random numbers it takes varies.
  void draw(RngCursor& cursor, std::span<double> point) const;

  /// The logarithm of one gamma variate of shape `concentration` and scale 1.
  double log_gamma_variate(RngCursor& cursor) const;

 private:
  double concentration_;
};

}  // namespace saltus
