#include "nn/short_conv.h"
#include "nn/streams.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

const Shape shape = {2, 7, 3};

Var conv(Graph& graph, Carry& carry, Var x) { return short_conv(x, graph.input("weight", {3, 4}), carry, "conv"); }

Leaves<double> random_leaves(unsigned seed) {
  std::mt19937 random(seed);
  return leaves_of({{"x", normals(shape.size(), random)}, {"weight", normals(12, random)}});
}

}  // namespace

TEST_CASE("a short convolution is its sum, with zeros before the sequence") {
  Graph graph;
  Carry carry;
  const Leaves<double> leaves = random_leaves(1);
  const std::vector<double> y = value(graph, conv(graph, carry, graph.input("x", shape)), leaves),
                            &x = leaves.values.at("x"), &w = leaves.values.at("weight");
  for (int b = 0; b < 2; ++b) {
    for (int t = 0; t < 7; ++t) {
      for (int c = 0; c < 3; ++c) {
        double total = 0;
        for (int back = 0; back <= std::min(t, 3); ++back)
          total +=
              w[static_cast<std::size_t>(c * 4 + 3 - back)] * x[static_cast<std::size_t>((b * 7 + t - back) * 3 + c)];
        CHECK(y[static_cast<std::size_t>((b * 7 + t) * 3 + c)] == Approx(total).margin(1e-13));
      }
    }
  }
}

TEST_CASE("a short convolution in stretches, shorter than its width too, is that of the whole") {
  Graph graph;
  Carry carry;
  const Leaves<double> leaves = random_leaves(2);
  const std::vector<double> whole = value(graph, conv(graph, carry, graph.input("x", shape)), leaves);
  const auto parts = in_stretches(conv, leaves.values.at("x"), shape, {1, 2, 4}, leaves);
  CHECK(parts[0] == positions(whole, shape, 0, 1));
  CHECK(parts[1] == positions(whole, shape, 1, 3));
  CHECK(parts[2] == positions(whole, shape, 3, 7));
}

TEST_CASE("gradients of a short convolution, and one of a single token") {
  Graph graph;
  Carry carry;
  const Var x = graph.input("x", shape), weight = graph.input("weight", {3, 4}), y = conv(graph, carry, x);
  const Leaves<double> leaves = random_leaves(3);
  check_gradients(graph, sum_all(y * y), {x, weight}, leaves);
  const Var scale = graph.input("scale", {3, 1});
  const std::vector<double> alone = value(graph, short_conv(x, scale, carry, "alone") - x * reshape(scale, {3}),
                                          leaves_of({{"x", leaves.values.at("x")}, {"scale", {1, 2, 3}}}));
  CHECK(largest_difference(alone, std::vector<double>(42, 0.0)) == 0);
  CHECK_THROWS_WITH(short_conv(x, graph.input("other", {2, 4}), carry, "other"),
                    "short_conv: weights [2, 4] for 3 channels");
}
