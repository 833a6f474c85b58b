#include <catch2/catch.hpp>

#include "nn/finite_differences.h"
#include "nn/residual.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// A stream with two heads' terms, and the same multiplied out: 2 sequences of 3 tokens of width 5. Half of the terms
/// read the stream itself, half another.
struct Stream {
  Graph graph;
  Leaves<double> leaves;
  std::mt19937 random{4};
  Residual sum;
  Var plain;  // [batch, position, d_model]
  Var u;      // [head, batch, d_model]
  Var p;      // [head, batch, 1, position]

  Stream() : sum(leaf("x", {2, 3, 5})), u(leaf("u", {2, 2, 5})), p(leaf("p", {2, 2, 1, 3})) {
    const Var x = graph.input("x", {2, 3, 5});
    plain = x;
    for (const Var read : {x, leaf("other", {2, 3, 5})}) {
      const std::string name = read == x ? "a" : "b";
      const Var pattern = causal_softmax(leaf("scores_" + name, {2, 2, 3, 3})), W = leaf("W_" + name, {2, 5, 5});
      sum = sum.plus(pattern, read, W);
      const Var written = matmul(matmul(pattern, reshape(read, {1, 2, 3, 5})),
                                 reshape(W, {2, 1, 5, 5}));  // [head, batch, position, d_model]
      for (std::int64_t h = 0; h < 2; ++h) plain = plain + reshape(slice(written, 0, h, h + 1), {2, 3, 5});
    }
  }
  Var leaf(const std::string& name, Shape shape) {
    leaves.values[name] = normals(shape.size(), random);
    return graph.input(name, shape);
  }
  void require_equal(Var a, Var b) {
    const std::vector<double> x = value(graph, a, leaves), y = value(graph, b, leaves);
    REQUIRE(x.size() == y.size());
    for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(x[i] == Approx(y[i]).epsilon(1e-12).margin(1e-12));
  }
};

}  // namespace

TEST_CASE("a stream kept as a sum of products gives what it gives multiplied out") {
  Stream s;
  const Var tokens = reshape(s.plain, {1, 2, 3, 5});  // [1, batch, position, d_model]
  s.require_equal(s.sum.value(), s.plain);
  s.require_equal(s.sum.last(1), slice(s.plain, 1, 2, 3));
  s.require_equal(s.sum.last(2), slice(s.plain, 1, 1, 3));
  s.require_equal(s.sum.dots(s.u), matmul(reshape(s.u, {2, 2, 1, 5}), tokens, false, true));
  s.require_equal(s.sum.weighted(s.p), reshape(matmul(s.p, tokens), {2, 2, 5}));
}
