#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <vector>

#include "kernels/peaks.h"
#include "kernels/targets.h"
#include "kernels/update.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

std::vector<float> normals(unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(37);  // whole vectors and a rest, whatever their width
  for (float& v : x) v = normal(random);
  return x;
}

void require_close(float got, double want) {
  REQUIRE(static_cast<double>(got) == Approx(want).epsilon(1e-5).margin(1e-6));
}

}  // namespace

TEST_CASE("the loops over a parameter block equal their formulas, on every instruction set") {
  const std::vector<float> theta = normals(1), m = normals(2), g = normals(3), other = normals(4);
  std::vector<float> v = normals(5);
  for (float& x : v) x *= x;
  const std::size_t n = g.size();
  on_every_target([&] {
    std::vector<float> sgd = theta, momentum = theta, moved = m, adam = theta, first = m, second = v, sum(n);
    kernels::sgd_update(sgd.data(), g.data(), n, 0.99f, 0.1f);
    kernels::momentum_update(momentum.data(), moved.data(), g.data(), n, 0.99f, 0.1f, 0.9f);
    const kernels::AdamRates rates{.keep = 0.99f,
                                   .rate = 0.1f,
                                   .beta1 = 0.9f,
                                   .rest1 = 0.1f,
                                   .beta2 = 0.99f,
                                   .rest2 = 0.01f,
                                   .correction2 = 2,
                                   .epsilon = 1e-8f};
    kernels::adam_update(adam.data(), first.data(), second.data(), g.data(), n, rates);
    const float* parts[] = {g.data(), other.data()};
    kernels::reduce(parts, 1, 0.5f, sum.data(), n - 1);
    double squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double x = g[i], old = theta[i], m1 = 0.9 * m[i] + x, a1 = 0.9 * m[i] + 0.1 * x,
                   a2 = 0.99 * v[i] + 0.01 * x * x;
      squares += x * x;
      require_close(sgd[i], 0.99 * old - 0.1 * x);
      require_close(moved[i], m1);
      require_close(momentum[i], 0.99 * old - 0.1 * m1);
      require_close(first[i], a1);
      require_close(second[i], a2);
      require_close(adam[i], 0.99 * old - 0.1 * a1 / (std::sqrt(2 * a2) + 1e-8));
      if (i > 0) require_close(sum[i - 1], 0.5 * (x + other[i]));
    }
    CHECK(kernels::sum_of_squares(g.data(), n) == Approx(squares).epsilon(1e-12));
  });
}

TEST_CASE("the peak of multiply-adds can be measured on every instruction set") {
  on_every_target([] { CHECK(kernels::multiply_add_peak() > 1e7); });
}
