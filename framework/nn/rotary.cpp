#include "nn/rotary.h"

#include <cmath>

#include "core/check.h"

namespace saltus {

Var rotary(Var x, std::int64_t first) {
  const std::int64_t n = x.shape()[-2], d = x.shape()[-1], half = d / 2;
  check(d % 2 == 0, "rotary positions turn pairs of elements: d_head must be even, got {}", d);
  const auto size = static_cast<std::size_t>(n * d);
  std::vector<double> cosines(size), sines(size);
  for (std::int64_t p = 0; p < n; ++p) {
    for (std::int64_t i = 0; i < half; ++i) {
      const double angle =
          static_cast<double>(first + p) * std::pow(10000.0, -2.0 * static_cast<double>(i) / static_cast<double>(d));
      const auto low = static_cast<std::size_t>(p * d + i), high = low + static_cast<std::size_t>(half);
      cosines[low] = cosines[high] = std::cos(angle);
      sines[low] = -std::sin(angle);
      sines[high] = std::sin(angle);
    }
  }
  const Var swapped = concat({slice(x, -1, half, d), slice(x, -1, 0, half)}, -1);  // as x
  return x * x.graph->constant(std::move(cosines), {n, d}) + swapped * x.graph->constant(std::move(sines), {n, d});
}

}  // namespace saltus
