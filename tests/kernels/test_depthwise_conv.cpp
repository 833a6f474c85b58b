#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "kernels/depthwise_conv.h"
#include "kernels/targets.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// Rows of x, y and w of one call, at random.
struct Arrays {
  kernels::DepthwiseConv size;
  std::vector<float> x, y, w;

  explicit Arrays(const kernels::DepthwiseConv& p)
      : size(p), x(rows(p.n + p.width - 1)), y(rows(p.n)), w(rows(p.width)) {}

  double at(const std::vector<float>& of, std::int64_t row, std::int64_t channel) const {
    return of[static_cast<std::size_t>(row * size.channels + channel)];
  }

  /// Rows of `got` against sums over all t and j of a(t, j, c) b(t, j, c), each going to the row that `to` names.
  template <class Term, class Row>
  void require_sums(const std::vector<float>& got, const Row& to, const Term& term) const {
    std::vector<double> want(got.size());
    for (std::int64_t t = 0; t < size.n; ++t) {
      for (std::int64_t j = 0; j < size.width; ++j) {
        for (std::int64_t c = 0; c < size.channels; ++c)
          want[static_cast<std::size_t>(to(t, j) * size.channels + c)] += term(t, j, c);
      }
    }
    for (std::size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == Approx(want[i]).margin(2e-5));
  }

 private:
  std::vector<float> rows(std::int64_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> out(static_cast<std::size_t>(count * size.channels));
    for (float& v : out) v = normal(random_);
    return out;
  }
  std::mt19937 random_{3};
};

}  // namespace

TEST_CASE("depthwise convolution, its transpose and the sums of its taps are the sums that they are defined by") {
  on_every_target([] {
    for (std::int64_t n : {1, 2, 4, 5, 9, 16}) {
      for (std::int64_t width : {1, 3, 4, 5, 8}) {
        for (std::int64_t channels : {1, 15, 16, 37}) {
          INFO("n " << n << " width " << width << " channels " << channels);
          const Arrays a({n, width, channels});
          std::vector<float> y(a.y.size()), x(a.x.size()), w(a.w.size());
          kernels::depthwise_conv(a.size, a.x.data(), a.w.data(), y.data());
          a.require_sums(
              y, [](auto t, auto) { return t; },
              [&](auto t, auto j, auto c) { return a.at(a.w, j, c) * a.at(a.x, t + j, c); });
          kernels::depthwise_conv_transposed(a.size, a.y.data(), a.w.data(), x.data());
          a.require_sums(
              x, [](auto t, auto j) { return t + j; },
              [&](auto t, auto j, auto c) { return a.at(a.w, j, c) * a.at(a.y, t, c); });
          kernels::depthwise_conv_taps(a.size, a.x.data(), a.y.data(), w.data());
          a.require_sums(
              w, [](auto, auto j) { return j; },
              [&](auto t, auto j, auto c) { return a.at(a.y, t, c) * a.at(a.x, t + j, c); });
        }
      }
    }
  });
}
