#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "kernels/dropout.h"
#include "kernels/targets.h"

using namespace saltus;
using kernels::dropout_with;
using saltus::tests::on_every_target;

namespace {

std::vector<float> mask(double rate, std::uint32_t key, std::uint32_t site, std::size_t n) {
  const std::vector<float> ones(n, 1.0f);
  std::vector<float> y(n);
  kernels::dropout(dropout_with(rate, key, site), ones.data(), y.data(), n);
  return y;
}

double share_kept(const std::vector<float>& y) {
  double kept = 0;
  for (float v : y) kept += v != 0.0f;
  return kept / static_cast<double>(y.size());
}

/// Of elements, the share that both keep.
double share_both(const std::vector<float>& a, const std::vector<float>& b) {
  double both = 0;
  for (std::size_t i = 0; i < a.size(); ++i) both += a[i] != 0.0f && b[i] != 0.0f;
  return both / static_cast<double>(a.size());
}

}  // namespace

TEST_CASE("dropout keeps its share of the elements and leaves the mean as it is") {
  const std::size_t n = 200'000;
  for (const double rate : {0.01, 0.1, 0.4, 0.5, 0.9}) {
    const std::vector<float> y = mask(rate, 7, 3, n);
    const double deviation = std::sqrt(rate * (1 - rate) / static_cast<double>(n));
    CHECK(std::abs(share_kept(y) - (1 - rate)) < 4 * deviation);
    for (float v : y) {
      if (v != 0.0f) REQUIRE(v == Approx(1 / (1 - rate)).epsilon(2e-4));
    }
  }
}

TEST_CASE("masks of other keys, sites and elements are independent of each other") {
  const std::size_t n = 100'000;
  const double keep = 0.6, deviation = std::sqrt(keep * keep * (1 - keep * keep) / static_cast<double>(n));
  const std::vector<float> y = mask(1 - keep, 5, 1, n);
  const auto independent = [&](const std::vector<float>& other) {
    return std::abs(share_both(y, other) - keep * keep) < 4 * deviation;
  };
  CHECK(independent(mask(1 - keep, 6, 1, n)));
  CHECK(independent(mask(1 - keep, 5, 2, n)));
  for (const std::ptrdiff_t lag : {1, 2, 8, 16, 1024}) {  // halves of a word, a block, a vector, what is drawn at once
    std::vector<float> later(y.begin() + lag, y.end());
    later.insert(later.end(), y.begin(), y.begin() + lag);
    INFO("lag " << lag);
    CHECK(independent(later));
  }
  CHECK_FALSE(independent(y));
}

TEST_CASE("every instruction set drops the elements that the definition drops, whatever the length") {
  std::vector<float> x(2500);
  for (std::size_t e = 0; e < x.size(); ++e) x[e] = 1 + static_cast<float>(e);
  const kernels::Dropout d = dropout_with(0.3, 0xFFFFFFF0u, 4);
  on_every_target([&] {
    for (const std::size_t n : {std::size_t{1}, std::size_t{7}, std::size_t{33}, x.size()}) {
      std::vector<float> y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(n));
      kernels::dropout(d, y.data(), y.data(), n);  // in place
      for (std::size_t e = 0; e < n; ++e) REQUIRE(y[e] == (kernels::keeps(d, e) ? x[e] * d.scale : 0.0f));
    }
  });
}

TEST_CASE("the smallest and the largest rates keep all and almost nothing") {
  CHECK(share_kept(mask(1e-9, 1, 0, 5000)) == 1.0);
  CHECK(share_kept(mask(1 - 1e-9, 1, 0, 5000)) < 0.001);
}
