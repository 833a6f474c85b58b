#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "data/sequence_draws.h"
#include "data/token_samples.h"

namespace saltus {
namespace {

const Rng rng(5, Stream::data);

}  // namespace

TEST_CASE("an urn gives every ordered draw equally often") {
  Urn urn(4);
  std::map<std::vector<std::int32_t>, int> seen;
  std::vector<std::int32_t> drawn(2);
  for (std::uint32_t i = 0; i < 24000; ++i) {
    RngCursor cursor(rng, i, 0, 0);
    urn.draw(cursor, drawn);
    ++seen[drawn];
  }
  std::vector<int> counts;
  for (const auto& [order, n] : seen) {
    REQUIRE(order[0] != order[1]);
    counts.push_back(n);
  }
  REQUIRE(counts.size() == 12);
  CHECK(uniform_excess(counts) < 4);
}

TEST_CASE("an urn that has been used is as good as new, and can be emptied") {
  Urn fresh(10), used(10);
  std::vector<std::int32_t> a(10), b(10);
  RngCursor other(rng, 0, 0, 0);
  used.draw(other, std::span(b).first(7));
  RngCursor first(rng, 1, 0, 0), second(rng, 1, 0, 0);
  fresh.draw(first, a);
  used.draw(second, b);
  CHECK(a == b);
  CHECK(std::set<std::int32_t>(a.begin(), a.end()).size() == 10);
}

TEST_CASE("a weighted urn draws by weight among what is left") {
  // P(i, then j) = w_i w_j / (1 - w_i), the law of successive sampling.
  const std::vector<double> weight = {0.4, 0.1, 0.3, 0, 0.2};
  const WeightedUrn urn(weight);
  WeightedUrn::Left left;
  std::map<std::pair<int, int>, int> seen;
  const int n = 40000;
  for (std::uint32_t i = 0; i < n; ++i) {
    RngCursor cursor(rng, i, 0, 0);
    urn.fill(left);
    const int first = urn.draw(cursor, left), second = urn.draw(cursor, left);
    REQUIRE(first != second);
    ++seen[{first, second}];
  }
  CHECK(seen.size() == 4 * 3);
  for (const auto& [pair, count] : seen) {
    const double a = weight[static_cast<std::size_t>(pair.first)], b = weight[static_cast<std::size_t>(pair.second)];
    CAPTURE(pair.first, pair.second);
    CHECK(fraction_deviations(static_cast<double>(count) / n, a * b / (1 - a), n) < 4);
  }
}

TEST_CASE("a weighted urn gives everything away once, whatever its size and however small a weight") {
  const int n = GENERATE(1, 2, 3, 7, 8, 9, 100);
  std::vector<double> weight(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) weight[static_cast<std::size_t>(i)] = std::pow(0.5, i);
  const WeightedUrn urn(weight);
  WeightedUrn::Left left;
  urn.fill(left);
  RngCursor cursor(rng, 0, 0, 0);
  std::set<int> drawn;
  for (int i = 0; i < n; ++i) drawn.insert(urn.draw(cursor, left));
  CHECK(static_cast<int>(drawn.size()) == n);
  CHECK((*drawn.begin() == 0 && *drawn.rbegin() == n - 1));
  CHECK(left.total == 0);
}

TEST_CASE("an urn without weight is refused") {
  CHECK_THROWS_WITH(WeightedUrn(std::vector<double>{0, 0}), "nothing to draw: the 2 weights add up to 0");
}

}  // namespace saltus
