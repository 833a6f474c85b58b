#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "core/check.h"
#include "nn/params.h"

using namespace saltus;

namespace {

const Rng rng(5, Stream::init);

/// A store with the parameters a [3, 5], b [7] and c [20, 20]; a store can be recorded in any order and with others
/// between.
void declare_abc(Graph& graph, ParamStore& params) {
  params.declare(graph, "a", {3, 5}, {"row", "column"}, Init::normal(0.5));
  params.declare(graph, "b", {7}, {"unit"}, Init::constant(0.25));
  params.declare(graph, "c", {20, 20}, {"row", "column"}, Init::normal(2));
}

std::vector<float> copy(std::span<const float> x) { return {x.begin(), x.end()}; }

}  // namespace

TEST_CASE("parameters are views of one flat block, each on a cache line of its own, and the gaps hold zeros") {
  Graph graph;
  ParamStore params;
  declare_abc(graph, params);
  params.initialise(rng);

  CHECK(params.count() == 15 + 7 + 400);
  CHECK(params.block_size() == 16 + 16 + 400);  // every view rounded up to 16 floats
  CHECK(params.spec("a").offset == 0);
  CHECK(params.spec("b").offset == 16);
  CHECK(params.spec("c").offset == 32);
  for (const ParamSpec& spec : params.specs()) {
    INFO(spec.name);
    CHECK(params.view(spec.name).data() == params.values() + spec.offset);
    CHECK(static_cast<std::int64_t>(params.view(spec.name).size()) == spec.shape.size());
    CHECK(reinterpret_cast<std::uintptr_t>(params.view(spec.name).data()) % 64 == 0);
  }
  CHECK(params.values()[15] == 0);
  for (int gap = 16 + 7; gap < 32; ++gap) CHECK(params.values()[gap] == 0);
}

TEST_CASE("writing to a view writes to the block, and the same place is found in any block of the layout") {
  Graph graph;
  ParamStore params;
  declare_abc(graph, params);
  params.initialise(rng);
  params.view("b")[2] = 42;
  CHECK(params.values()[16 + 2] == 42);

  AlignedBlock gradient(static_cast<std::size_t>(params.block_size()) * sizeof(float));
  CHECK(params.in_block("c", gradient.floats()) == gradient.floats() + 32);
}

TEST_CASE("a parameter's first numbers depend on the seed and on its own name only") {
  Graph graph, other_graph;
  ParamStore params, other;
  declare_abc(graph, params);
  params.initialise(rng);

  other.declare(other_graph, "an earlier one", {11}, {"unit"}, Init::normal(1));
  other.declare(other_graph, "c", {20, 20}, {"row", "column"}, Init::normal(2));
  other.declare(other_graph, "a", {3, 5}, {"row", "column"}, Init::normal(0.5));
  other.initialise(rng);
  CHECK(copy(other.view("a")) == copy(params.view("a")));
  CHECK(copy(other.view("c")) == copy(params.view("c")));

  other.initialise(Rng(6, Stream::init));
  CHECK(copy(other.view("a")) != copy(params.view("a")));
}

TEST_CASE("resizing a parameter leaves its first numbers and the other parameters as they were") {
  Graph graph, other_graph;
  ParamStore params, other;
  declare_abc(graph, params);
  params.initialise(rng);
  other.declare(other_graph, "a", {4, 5}, {"row", "column"}, Init::normal(0.5));
  other.declare(other_graph, "c", {20, 20}, {"row", "column"}, Init::normal(2));
  other.initialise(rng);
  CHECK(copy(other.view("a").first(15)) == copy(params.view("a")));
  CHECK(copy(other.view("c")) == copy(params.view("c")));
}

TEST_CASE("two parameters of one shape and different names are not copies of each other") {
  Graph graph;
  ParamStore params;
  params.declare(graph, "blocks.0.attn.W_Q", {64}, {"unit"}, Init::normal(1));
  params.declare(graph, "blocks.0.attn.W_K", {64}, {"unit"}, Init::normal(1));
  params.initialise(rng);
  const std::span<const float> q = params.view("blocks.0.attn.W_Q"), k = params.view("blocks.0.attn.W_K");
  CHECK(std::abs(std::inner_product(q.begin(), q.end(), k.begin(), 0.0)) / 64 <
        0.5);  // correlation of 64 independent pairs: std 1/8
}

TEST_CASE("normal initial values have the mean, variance and fourth moment of the normal law") {
  Graph graph;
  ParamStore params;
  const int n = 100000;
  params.declare(graph, "normal", {n}, {"unit"}, Init::normal(0.3));
  params.declare(graph, "constant", {5}, {"unit"}, Init::constant(-1.5));
  params.initialise(rng);
  double first = 0, second = 0, fourth = 0;
  for (float x : params.view("normal")) {
    const double z = x / 0.3;
    first += z / n;
    second += z * z / n;
    fourth += z * z * z * z / n;
  }
  // Five standard deviations of each sample moment: var z = 1, var z^2 = 2, var z^4 = 105 - 9.
  CHECK(std::abs(first) < 5 * std::sqrt(1.0 / n));
  CHECK(std::abs(second - 1) < 5 * std::sqrt(2.0 / n));
  CHECK(std::abs(fourth - 3) < 5 * std::sqrt(96.0 / n));
  for (float x : params.view("constant")) CHECK(x == -1.5f);
}

TEST_CASE("uniform initial values fill [-bound, bound) evenly") {
  Graph graph;
  ParamStore params;
  const int n = 100000;
  params.declare(graph, "uniform", {n}, {"unit"}, Init::uniform(0.25));
  params.initialise(rng);
  double first = 0, second = 0;
  for (float x : params.view("uniform")) {
    REQUIRE((x >= -0.25f && x < 0.25f));
    first += x / 0.25 / n;
    second += (x / 0.25) * (x / 0.25) / n;
  }
  // Five standard deviations of each sample moment: var z = 1/3, var z^2 = 1/5 - 1/9.
  CHECK(std::abs(first) < 5 * std::sqrt(1.0 / 3 / n));
  CHECK(std::abs(second - 1.0 / 3) < 5 * std::sqrt((1.0 / 5 - 1.0 / 9) / n));
}

TEST_CASE("an identity stands on the diagonal of every head, also when it is not square; opposed heads have its negative") {
  Graph graph;
  ParamStore params;
  params.declare(graph, "same", {2, 2, 3}, {"head", "row", "column"}, Init::identity(0.5));
  params.declare(graph, "opposed", {3, 2, 2}, {"head", "row", "column"}, Init::opposed_identity(2));
  params.initialise(rng);
  CHECK(copy(params.view("same")) == std::vector<float>{.5, 0, 0, 0, .5, 0, .5, 0, 0, 0, .5, 0});
  CHECK(copy(params.view("opposed")) == std::vector<float>{2, 0, 0, 2, 2, 0, 0, 2, -2, 0, 0, -2});
}

TEST_CASE("recording a model again finds its parameters, and another shape under a name is refused") {
  Graph first, second;
  ParamStore params;
  const Var a = params.declare(first, "a", {3, 5}, {"row", "column"}, Init::normal(1));
  CHECK(params.declare(first, "a", {3, 5}, {"row", "column"}, Init::normal(1)) == a);
  CHECK(params.declare(second, "a", {3, 5}, {"row", "column"}, Init::normal(1)).graph == &second);
  CHECK(params.specs().size() == 1);
  CHECK_THROWS_WITH(params.declare(second, "a", {5, 3}, {"row", "column"}, Init::normal(1)),
                    "parameter 'a' is declared as [3, 5] and as [5, 3]");
}

TEST_CASE("what a parameter store refuses, in words") {
  Graph graph;
  ParamStore params;
  CHECK_THROWS_WITH(params.declare(graph, "a", {3, 5}, {"row"}, Init::normal(1)),
                    "parameter 'a' has 2 axes but 1 axis names");
  CHECK_THROWS_WITH(params.view("a"), "no parameter 'a'");
  CHECK_THROWS_WITH(params.declare(graph, "a", {3}, {"row"}, Init::identity(1)),
                    "parameter 'a' cannot start as an identity: its shape is [3]");
  CHECK_THROWS_WITH(params.declare(graph, "a", {2, 3}, {"row", "column"}, Init::opposed_identity(1)),
                    "parameter 'a' cannot start as an identity: its shape is [2, 3]");
  params.declare(graph, "a", {3}, {"row"}, Init::normal(1));
  params.initialise(rng);
  CHECK_THROWS_WITH(params.declare(graph, "b", {3}, {"row"}, Init::normal(1)),
                    "parameter 'b' is declared after initialisation");
  Graph again;
  CHECK_NOTHROW(params.declare(again, "a", {3}, {"row"}, Init::normal(1)));
}
