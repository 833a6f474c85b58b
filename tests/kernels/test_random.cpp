#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

// As in random.cpp, so that the emulated target is run too.
#define HWY_BROKEN_EMU128 0
#include "kernels/random.h"
#include "kernels/targets.h"

namespace saltus {
namespace {

using tests::on_every_target;

std::vector<std::uint32_t> words(const Rng& rng, Draw draw, std::size_t n) {
  std::vector<std::uint32_t> out(n);
  fill_words(rng, draw, out);
  return out;
}

std::vector<float> normals(const Rng& rng, Draw draw, std::size_t n) {
  std::vector<float> out(n);
  fill_normal(rng, draw, out);
  return out;
}

/// Kolmogorov's statistic sqrt(n) sup |empirical - cdf|; above 1.95 in one sample of a thousand.
template <class Cdf>
double kolmogorov(std::vector<float> x, const Cdf& cdf) {
  std::sort(x.begin(), x.end());
  const auto n = static_cast<double>(x.size());
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double p = cdf(x[i]), rank = static_cast<double>(i);
    worst = std::max({worst, (rank + 1) / n - p, p - rank / n});
  }
  return worst * std::sqrt(n);
}

double normal_cdf(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }

}  // namespace

TEST_CASE("filled words are the generator's blocks, whatever the length and the instruction set") {
  const Rng rng(5, Stream::data);
  const Draw draw{.sample = 17, .step = 4000000000u, .lane = 3};
  on_every_target([&] {
    for (std::uint32_t n = 0; n <= 200; ++n) {
      // One guard word behind the end, which must survive.
      std::vector<std::uint32_t> out(n + 1, 0xDEADBEEF);
      fill_words(rng, draw, std::span(out).first(n));
      REQUIRE(out[n] == 0xDEADBEEF);
      for (std::uint32_t e = 0; e < n; ++e) {
        REQUIRE(out[e] == rng.block(e / 4, draw.sample, draw.step, draw.lane).word[e % 4]);
      }
    }
  });
}

TEST_CASE("uniforms are the upper 24 bits of the words") {
  const Rng rng(5, Stream::init);
  const std::vector<std::uint32_t> w = words(rng, {.sample = 1}, 203);
  on_every_target([&] {
    std::vector<float> u(203);
    fill_uniform(rng, {.sample = 1}, u);
    for (std::size_t e = 0; e < u.size(); ++e) REQUIRE(u[e] == static_cast<float>(w[e] >> 8) / 16777216.0f);
  });
}

TEST_CASE("normals have the same bits on every instruction set and at every length") {
  const Rng rng(6, Stream::data);
  const std::vector<float> reference = normals(rng, {.sample = 2, .step = 3}, 100000);
  on_every_target([&] {
    CHECK(normals(rng, {.sample = 2, .step = 3}, 100000) == reference);
    for (std::size_t n = 0; n <= 200; ++n) {
      REQUIRE(normals(rng, {.sample = 2, .step = 3}, n) ==
              std::vector<float>(reference.begin(), reference.begin() + n));
    }
  });
}

TEST_CASE("normals are Box-Muller of the words to 1e-6") {
  const Rng rng(7, Stream::data);
  const std::size_t n = 1 << 21;
  const std::vector<std::uint32_t> w = words(rng, {}, n);
  const std::vector<float> z = normals(rng, {}, n);
  double worst = 0;
  for (std::size_t i = 0; i < n; i += 2) {
    const double radius = std::sqrt(-2 * std::log((w[i] | 1u) * 0x1p-32)),
                 angle = 2 * std::numbers::pi * w[i + 1] * 0x1p-32;
    worst = std::max({worst, std::abs(z[i] - radius * std::cos(angle)), std::abs(z[i + 1] - radius * std::sin(angle))});
  }
  CHECK(worst < 1e-6);
}

TEST_CASE("normals have the moments and the tails of the normal law") {
  const Rng rng(8, Stream::data);
  const std::uint32_t samples = 64;
  const std::size_t per_sample = 1 << 20;
  const double n = samples * static_cast<double>(per_sample);
  std::array<double, 4> moment{};
  std::array<int, 3> beyond{};  // |z| > 3, 4, 5
  float largest = 0;
  for (std::uint32_t s = 0; s < samples; ++s) {
    for (float z : normals(rng, {.sample = s}, per_sample)) {
      const double x = z;
      moment[0] += x;
      moment[1] += x * x;
      moment[2] += x * x * x;
      moment[3] += x * x * x * x;
      const float size = std::abs(z);
      for (int k = 0; k < 3; ++k) beyond[static_cast<std::size_t>(k)] += size > static_cast<float>(k + 3);
      largest = std::max(largest, size);
    }
  }
  // E z^m and the variance of z^m for m = 1..4.
  const std::array<double, 4> mean{0, 1, 0, 3}, variance{1, 2, 15, 96};
  for (std::size_t m = 0; m < 4; ++m) {
    CAPTURE(m + 1);
    CHECK(std::abs(moment[m] / n - mean[m]) < 4 * std::sqrt(variance[m] / n));
  }
  for (std::size_t k = 0; k < 3; ++k) {
    const double expected = n * std::erfc((static_cast<double>(k) + 3) / std::numbers::sqrt2);
    CAPTURE(k + 3, beyond[k], expected);
    CHECK(std::abs(beyond[k] - expected) < 4 * std::sqrt(expected));
  }
  CHECK(largest > 5.2f);
  CHECK(largest <= 6.661f);
}

TEST_CASE("uniforms and normals follow their laws (Kolmogorov-Smirnov)") {
  const Rng rng(9, Stream::data);
  std::vector<float> u(1 << 20);
  fill_uniform(rng, {}, u);
  CHECK(kolmogorov(u, [](double x) { return x; }) < 1.95);
  CHECK(kolmogorov(normals(rng, {.lane = 1}, 1 << 20), normal_cdf) < 1.95);
}

TEST_CASE("draws that differ in stream, seed, sample, step, lane or element are uncorrelated") {
  const std::size_t n = 1 << 18;
  const std::vector<float> base = normals(Rng(10, Stream::data), {}, n + 1);
  const std::vector<std::vector<float>> others = {normals(Rng(10, Stream::eval), {}, n),
                                                  normals(Rng(11, Stream::data), {}, n),
                                                  normals(Rng(10, Stream::data), {.sample = 1}, n),
                                                  normals(Rng(10, Stream::data), {.step = 1}, n),
                                                  normals(Rng(10, Stream::data), {.lane = 1}, n),
                                                  std::vector<float>(base.begin() + 1, base.end())};
  for (std::size_t o = 0; o < others.size(); ++o) {
    double product = 0, squares = 0;
    for (std::size_t i = 0; i < n; ++i) {
      product += base[i] * others[o][i];
      squares += (base[i] * base[i] - 1) * (others[o][i] * others[o][i] - 1);
    }
    CAPTURE(o);
    CHECK(std::abs(product) < 4 * std::sqrt(static_cast<double>(n)));
    CHECK(std::abs(squares) < 4 * std::sqrt(4.0 * static_cast<double>(n)));
  }
}

}  // namespace saltus
