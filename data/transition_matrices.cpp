#include "data/transition_matrices.h"

#include <algorithm>
#include <cmath>

namespace saltus {

void stationary_distribution(std::span<double> P, std::span<double> out) {
  const std::size_t n = out.size();
  // State `last` is taken out: paths through it become direct transitions among those before it.
  for (std::size_t last = n - 1; last > 0; --last) {
    const double* from_last = P.data() + last * n;
    double leaving = 0;
    for (std::size_t j = 0; j < last; ++j) leaving += from_last[j];
    for (std::size_t i = 0; i < last; ++i) {
      double* row = P.data() + i * n;
      row[last] /= leaving;
      for (std::size_t j = 0; j < last; ++j) row[j] += row[last] * from_last[j];
    }
  }
  // And put back: what flows into it from those before it.
  out[0] = 1;
  double sum = 1;
  for (std::size_t state = 1; state < n; ++state) {
    double into = 0;
    for (std::size_t i = 0; i < state; ++i) into += out[i] * P[i * n + state];
    out[state] = into;
    sum += into;
    // Kept at a sum of 1: states that are hard to leave would make the numbers grow without bound.
    for (std::size_t i = 0; i <= state; ++i) out[i] /= sum;
    sum = 1;
  }
}

void make_doubly_stochastic(std::span<double> P, std::span<double> columns, int sweeps) {
  const std::size_t n = columns.size();
  while (true) {
    std::fill(columns.begin(), columns.end(), 0.0);
    for (std::size_t i = 0; i < n; ++i) {
      double* row = P.data() + i * n;
      double sum = 0;
      for (std::size_t j = 0; j < n; ++j) sum += row[j];
      for (std::size_t j = 0; j < n; ++j) columns[j] += row[j] /= sum;
    }
    const bool even = std::all_of(columns.begin(), columns.end(), [](double c) { return std::abs(c - 1) <= 1e-9; });
    if (even || --sweeps <= 0) return;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) P[i * n + j] /= columns[j];
    }
  }
}

}  // namespace saltus
