#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "core/rng.h"

namespace saltus {
namespace {

using Words = std::array<std::uint32_t, 4>;

Words words(const Rng::Block& b) { return {b.word[0], b.word[1], b.word[2], b.word[3]}; }

/// Sum over cells of (observed - expected)^2 / expected; its mean is cells - 1 and its variance twice that.
double chi_square(const std::vector<int>& counts, double expected) {
  double sum = 0;
  for (int n : counts) sum += (n - expected) * (n - expected) / expected;
  return sum;
}

}  // namespace

TEST_CASE("philox gives the published Random123 vectors") {
  CHECK(words(philox({0, 0, 0, 0}, {0, 0})) == Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t ones = 0xffffffff;
  CHECK(words(philox({ones, ones, ones, ones}, {ones, ones})) == Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(words(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0})) ==
        Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("a block is philox of (index, sample, step, lane) under the stream's key") {
  const Rng rng(7, Stream::data);
  CHECK(words(rng.block(1, 2, 3, 4)) == words(philox({1, 2, 3, 4}, {rng.key(0), rng.key(1)})));
}

TEST_CASE("the keys of seed 1 stay what they were, so that old runs can be had again") {
  const Rng init(1, Stream::init), data(1, Stream::data);
  CHECK((init.key(0) == 0xd65af21e && init.key(1) == 0xe9fd6049));
  CHECK((data.key(0) == 0x9673066b && data.key(1) == 0xbcd9dbb4));
}

TEST_CASE("neighbouring seeds, streams, samples, steps and lanes share no bits") {
  // Two unrelated words differ in 16 of 32 bits on average, with a standard deviation of sqrt(8).
  const Rng base(1, Stream::data), next_seed(2, Stream::data), high_seed(1 + (std::uint64_t{1} << 32), Stream::data);
  const Rng next_stream(1, Stream::eval);
  const std::vector<std::function<Rng::Block(std::uint32_t)>> others = {
      [&](std::uint32_t i) { return next_seed.block(i, 0, 0, 0); },
      [&](std::uint32_t i) { return high_seed.block(i, 0, 0, 0); },
      [&](std::uint32_t i) { return next_stream.block(i, 0, 0, 0); },
      [&](std::uint32_t i) { return base.block(i + 1, 0, 0, 0); },
      [&](std::uint32_t i) { return base.block(i, 1, 0, 0); },
      [&](std::uint32_t i) { return base.block(i, 0, 1, 0); },
      [&](std::uint32_t i) { return base.block(i, 0, 0, 1); }};
  for (std::size_t o = 0; o < others.size(); ++o) {
    const int n_blocks = 10000;
    double bits = 0;
    for (std::uint32_t i = 0; i < n_blocks; ++i) {
      const Words a = words(base.block(i, 0, 0, 0)), b = words(others[o](i));
      for (std::size_t w = 0; w < 4; ++w) bits += std::popcount(a[w] ^ b[w]);
    }
    CAPTURE(o);
    CHECK(std::abs(bits / (4 * n_blocks) - 16) < 5 * std::sqrt(8.0 / (4 * n_blocks)));
  }
}

TEST_CASE("a cursor reads a sample's words in order") {
  const Rng rng(3, Stream::task);
  RngCursor cursor(rng, 5, 6, 7);
  for (std::uint32_t e = 0; e < 12; ++e) CHECK(cursor.next() == rng.block(e / 4, 5, 6, 7).word[e % 4]);
}

TEST_CASE("below(n) is uniform") {
  const Rng rng(11, Stream::data);
  RngCursor cursor(rng, 0, 0, 0);
  const int draws = 100000;

  SECTION("over a few values") {
    for (std::uint32_t n : {1u, 2u, 7u, 49u, 100u}) {
      std::vector<int> counts(n);
      for (int i = 0; i < draws; ++i) ++counts.at(cursor.below(n));
      CAPTURE(n);
      CHECK(chi_square(counts, static_cast<double>(draws) / n) <= n - 1 + 5 * std::sqrt(2.0 * (n - 1)));
    }
  }
  SECTION("where multiplying and shifting alone would give every third value twice as often") {
    const std::uint32_t n = 3u << 30;
    std::vector<int> counts(3);
    for (int i = 0; i < draws; ++i) ++counts.at(cursor.below(n) % 3);
    CHECK(chi_square(counts, draws / 3.0) < 2 + 5 * std::sqrt(4.0));
  }
}

TEST_CASE("a cursor's uniforms fill [0, 1) evenly") {
  const Rng rng(12, Stream::data);
  RngCursor cursor(rng, 0, 0, 0);
  std::vector<int> counts(64);
  const int draws = 100000;
  for (int i = 0; i < draws; ++i) {
    const float u = cursor.uniform();
    REQUIRE((u >= 0 && u < 1));
    ++counts[static_cast<std::size_t>(u * 64)];
  }
  CHECK(chi_square(counts, draws / 64.0) < 63 + 5 * std::sqrt(126.0));
}

}  // namespace saltus
