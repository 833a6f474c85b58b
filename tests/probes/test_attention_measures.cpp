#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "probes/attention.h"

using namespace saltus;

namespace {

/// Causal attention that gives every token it sees the same weight.
std::vector<float> uniform_pattern(std::int64_t tokens) {
  std::vector<float> p(static_cast<std::size_t>(tokens * tokens));
  for (std::int64_t i = 0; i < tokens; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) p[static_cast<std::size_t>(i * tokens + j)] = 1 / static_cast<float>(i + 1);
  }
  return p;
}

}  // namespace

TEST_CASE("previous_token averages the subdiagonal, and nothing else") {
  const std::vector<float> p = {1,    0,    0,     0,  //
                                0.5f, 0.5f, 0,     0,  //
                                0,    1,    0,     0,  //
                                0.5f, 0,    0.25f, 0.25f};
  CHECK(measures::previous_token(p.data(), 4) == Approx((0.5 + 1 + 0.25) / 3));
}

TEST_CASE("previous_token of uniform attention is the mean of 1/i") {
  const std::vector<float> p = uniform_pattern(17);
  double expected = 0;
  for (int i = 2; i <= 17; ++i) expected += 1.0 / i / 16;
  CHECK(measures::previous_token(p.data(), 17) == Approx(expected).epsilon(1e-6));
  CHECK(expected == Approx(0.153).margin(0.001));
}

TEST_CASE("entropy is in nats, and a key without weight adds nothing") {
  const std::vector<float> certain = {0, 1, 0}, half = {0.5f, 0, 0.5f}, skew = {0.75f, 0.25f, 0};
  CHECK(measures::entropy(certain.data(), 3) == 0);
  CHECK(measures::entropy(half.data(), 3) == Approx(std::log(2)));
  CHECK(measures::entropy(skew.data(), 3) == Approx(0.75 * std::log(4 / 3.0) + 0.25 * std::log(4)));
}

TEST_CASE("mean_entropy averages over all queries, the first with its zero included") {
  const std::vector<float> p = uniform_pattern(4);
  CHECK(measures::mean_entropy(p.data(), 4) == Approx((std::log(2) + std::log(3) + std::log(4)) / 4).epsilon(1e-6));
}
