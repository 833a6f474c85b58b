#include <catch2/catch.hpp>
#include <vector>

#include "autodiff/grad.h"
#include "graph/eager.h"
#include "ops/ops.h"

using namespace saltus;

namespace {

/// dropout of ones [keys, 40] by the fast kernel, and the gradient of its sum.
std::vector<std::vector<float>> run(const std::vector<std::int32_t>& keys) {
  Graph g;
  const auto batch = static_cast<std::int64_t>(keys.size());
  const Var x = g.input("x", {batch, 40}), key = g.input("key", {batch}, DType::i32);
  const Var y = dropout(x, key, 0.4, 3);  // [batch, 40]
  const std::vector<Var> out = {y, grad(sum_all(y), std::span(&x, 1))[0]};
  Leaves<float> leaves;
  leaves.values["x"].assign(keys.size() * 40, 1.0f);
  leaves.indices["key"] = keys;
  return evaluate<float>(g, out, leaves, Kernels::fast);
}

}  // namespace

TEST_CASE("dropout with rate 0 is its operand and records nothing") {
  Graph g;
  const Var x = g.input("x", {2, 3}), key = g.input("key", {2}, DType::i32);
  const int nodes = g.size();
  CHECK(dropout(x, key, 0, 0) == x);
  CHECK(g.size() == nodes);
}

TEST_CASE("dropout refuses rates outside [0, 1) and sites below 0") {
  Graph g;
  const Var x = g.input("x", {2, 3}), key = g.input("key", {2}, DType::i32);
  CHECK_THROWS_WITH(dropout(x, key, 1, 0), Catch::Contains("dropout: rate must be in [0, 1), got 1"));
  CHECK_THROWS_WITH(dropout(x, key, -0.1, 0), Catch::Contains("dropout: rate must be in [0, 1), got -0.1"));
  CHECK_THROWS_WITH(dropout(x, key, 0.5, -2), Catch::Contains("dropout: site must be 0 or more, got -2"));
}

TEST_CASE("a sample's mask is its key's, in whatever batch it stands, and the gradient's too") {
  const auto whole = run({11, 12, 13}), shard = run({13, 11});
  const auto row = [](const std::vector<float>& y, std::ptrdiff_t b) {
    return std::vector<float>(y.begin() + 40 * b, y.begin() + 40 * (b + 1));
  };
  CHECK(row(whole[0], 0) == row(shard[0], 1));
  CHECK(row(whole[0], 2) == row(shard[0], 0));
  CHECK(row(whole[0], 0) != row(whole[0], 1));
  CHECK(whole[1] == whole[0]);  // of ones, the result is the mask
}
