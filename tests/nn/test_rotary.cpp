#include <complex>

#include "nn/rotary.h"
#include "nn/streams.h"

using namespace saltus;
using namespace saltus::tests;

TEST_CASE("rotary positions turn the pair (i, i + d/2) by the position times 10000^(-2i/d)") {
  Graph graph;
  const Var x = graph.input("x", {2, 3, 6});
  std::mt19937 random(1);
  const std::vector<double> in = normals(36, random), out = value(graph, rotary(x, 5), leaves_of({{"x", in}}));
  for (std::size_t row = 0; row < 6; ++row) {
    for (std::size_t i = 0; i < 3; ++i) {
      const double angle = static_cast<double>(5 + row % 3) * std::pow(10000.0, -static_cast<double>(i) / 3);
      const std::complex<double> turned = std::complex(in[row * 6 + i], in[row * 6 + i + 3]) * std::polar(1.0, angle);
      CHECK(out[row * 6 + i] == Approx(turned.real()).margin(1e-13));
      CHECK(out[row * 6 + i + 3] == Approx(turned.imag()).margin(1e-13));
    }
  }
}

TEST_CASE("products of turned vectors depend on distances alone") {
  Graph graph;
  const Var q = graph.input("q", {4, 8}), k = graph.input("k", {4, 8});
  std::mt19937 random(2);
  const Leaves<double> leaves = leaves_of({{"q", normals(32, random)}, {"k", normals(32, random)}});
  const std::vector<double> here = value(graph, matmul(rotary(q), rotary(k), false, true), leaves);
  const std::vector<double> later = value(graph, matmul(rotary(q, 1000), rotary(k, 1000), false, true), leaves);
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(later[i] == Approx(here[i]).margin(1e-11));
}

TEST_CASE("the gradient of rotary positions, and vectors without pairs") {
  Graph graph;
  const Var x = graph.input("x", {3, 4}), y = rotary(x, 2);
  std::mt19937 random(3);
  check_gradients(graph, sum_all(y * y * y), {x}, leaves_of({{"x", normals(12, random)}}));
  CHECK_THROWS_WITH(rotary(graph.input("odd", {3, 5})),
                    "rotary positions turn pairs of elements: d_head must be even, got 5");
}
