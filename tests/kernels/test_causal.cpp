#include <catch2/catch.hpp>
#include <limits>
#include <random>
#include <vector>

#include "kernels/causal.h"
#include "kernels/targets.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// Arrays of one call; what is above the matrix's diagonal is NaN, which may not be read.
struct Arrays {
  kernels::CausalProduct size;
  std::vector<float> x, y, s;

  explicit Arrays(const kernels::CausalProduct& p)
      : size(p), x(rows(1)), y(rows(2)), s(static_cast<std::size_t>(p.n * p.n), not_a_number) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < p.n; ++i) {
      for (std::int64_t j = 0; j <= i; ++j) s[static_cast<std::size_t>(i * p.n + j)] = normal(random);
    }
  }
  std::vector<float> rows(unsigned seed) const {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> out(static_cast<std::size_t>(size.n * size.width));
    for (float& v : out) v = normal(random);
    return out;
  }
  double row(const std::vector<float>& of, std::int64_t i, std::int64_t c) const {
    return of[static_cast<std::size_t>(i * size.width + c)];
  }
  double lower(std::int64_t i, std::int64_t j) const { return i < j ? 0 : s[static_cast<std::size_t>(i * size.n + j)]; }
};

/// Sizes around the blocks of rows, of dot products and of vectors.
template <class Body>
void for_each_size(const Body& body) {
  on_every_target([&] {
    for (std::int64_t n : {1, 2, 3, 4, 5, 6, 9, 17}) {
      for (std::int64_t width : {1, 7, 16, 33, 63, 70}) {
        INFO("n " << n << " width " << width);
        body(Arrays({n, width}));
      }
    }
  });
}

/// Rows of `got` against sum over k of weight(i, k) of[k].
template <class Weight>
void require_sums(const Arrays& a, const std::vector<float>& got, const std::vector<float>& of, const Weight& weight) {
  for (std::int64_t i = 0; i < a.size.n; ++i) {
    for (std::int64_t c = 0; c < a.size.width; ++c) {
      double want = 0;
      for (std::int64_t k = 0; k < a.size.n; ++k) want += weight(i, k) * a.row(of, k, c);
      REQUIRE(a.row(got, i, c) == Approx(want).margin(2e-5));
    }
  }
}

}  // namespace

TEST_CASE("products over the lower triangle equal plain loops, on every instruction set") {
  for_each_size([](const Arrays& a) {
    const auto [n, width] = a.size;
    std::vector<float> sums(a.x.size(), not_a_number), transposed = sums, dots(a.s.size(), not_a_number);
    kernels::causal_apply(a.size, a.s.data(), a.x.data(), sums.data());
    require_sums(a, sums, a.x, [&](std::int64_t i, std::int64_t j) { return a.lower(i, j); });
    kernels::causal_apply_transposed(a.size, a.s.data(), a.y.data(), transposed.data());
    require_sums(a, transposed, a.y, [&](std::int64_t j, std::int64_t i) { return a.lower(i, j); });
    kernels::causal_dots(a.size, a.x.data(), a.y.data(), dots.data());
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        double want = 0;
        for (std::int64_t c = 0; j <= i && c < width; ++c) want += a.row(a.x, i, c) * a.row(a.y, j, c);
        REQUIRE(static_cast<double>(dots[static_cast<std::size_t>(i * n + j)]) == Approx(want).margin(5e-5));
      }
    }
  });
}
