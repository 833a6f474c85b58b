#include <catch2/catch.hpp>
#include <cmath>

#include "autodiff/grad.h"
#include "core/check.h"
#include "graph/eager.h"
#include "ops/ops.h"

using namespace saltus;

namespace {

std::vector<double> value(const Graph& g, Var v, const Leaves<double>& leaves) { return evaluate<double>(g, std::span(&v, 1), leaves)[0]; }

Var derivative(Var y, Var x) { return grad(y, std::span(&x, 1))[0]; }

}  // namespace

TEST_CASE("derivatives of any order: the fifth derivative of exp(2x) is 32 exp(2x)") {
  Graph g;
  const Var x = g.input("x", {});
  Var y = exp(2 * x);
  for (int order = 0; order < 5; ++order) y = derivative(y, x);
  CHECK(value(g, y, {{{"x", {0.3}}}, {}})[0] == Approx(32 * std::exp(0.6)).epsilon(1e-12));
}

TEST_CASE("a gradient step inside the loss: the outer gradient goes through the inner one") {
  // L(w0, a) = 1/2 (w1 - t)^2 with w1 = w0 - a d/dw0 [1/2 (w0 - s)^2] = w0 - a (w0 - s); so dL/dw0 = (w1 - t)(1 - a), dL/da = -(w1 - t)(w0 - s).
  Graph g;
  const Var w0 = g.input("w0", {}), a = g.input("a", {}), s = g.input("s", {}), t = g.input("t", {});
  const Var inner = 0.5 * ((w0 - s) * (w0 - s));
  const Var w1 = w0 - a * derivative(inner, w0);
  const Var outer = 0.5 * ((w1 - t) * (w1 - t));
  const Leaves<double> leaves = {{{"w0", {2}}, {"a", {0.25}}, {"s", {-1}}, {"t", {0.5}}}, {}};
  const double w = 2 - 0.25 * 3;
  CHECK(value(g, derivative(outer, w0), leaves)[0] == Approx((w - 0.5) * 0.75));
  CHECK(value(g, derivative(outer, a), leaves)[0] == Approx(-(w - 0.5) * 3));
}

TEST_CASE("gradients with respect to inner values are total derivatives through what comes after") {
  Graph g;
  const Var x = g.input("x", {});
  const Var y = x * x;
  const Var z = y * x;
  const std::vector<Var> d = grad(z, std::vector<Var>{y, x});
  const Leaves<double> leaves = {{{"x", {3}}}, {}};
  CHECK(value(g, d[0], leaves)[0] == 3);
  CHECK(value(g, d[1], leaves)[0] == 27);  // d(x^3)/dx, y's path included
}

TEST_CASE("a fused op whose inputs depend on each other counts every path once") {
  // layer_norm(x, g, b) with x computed from g: differentiated through its decomposition, against the decomposition written out.
  Graph g;
  const Var gain = g.input("gain", {3}), bias = g.input("bias", {3});
  const Var x = exp(gain * gain);
  const Var fused = sum_all(layer_norm(x, gain, bias) * gain);
  const Var centred = x - mean(x, -1, true);
  const Var plain = sum_all((centred / sqrt(mean(centred * centred, -1, true) + 1e-5) * gain + bias) * gain);
  const Leaves<double> leaves = {{{"gain", {0.5, -0.2, 0.9}}, {"bias", {0.1, 0.2, 0.3}}}, {}};
  const auto a = value(g, derivative(fused, gain), leaves), b = value(g, derivative(plain, gain), leaves);
  for (int i = 0; i < 3; ++i) CHECK(a[static_cast<std::size_t>(i)] == Approx(b[static_cast<std::size_t>(i)]).epsilon(1e-12));
}

TEST_CASE("a fused op that is given one value twice counts each place once") {
  Graph g;
  const Var x = g.input("x", {3}), w = g.input("w", {3});
  const Var centred = x - mean(x, -1, true);
  const Var plain = sum_all(exp(centred / sqrt(mean(centred * centred, -1, true) + 1e-5) * w + w));
  const Leaves<double> leaves = {{{"x", {0.5, -0.2, 0.9}}, {"w", {0.1, 0.2, 0.3}}}, {}};
  const auto a = value(g, derivative(sum_all(exp(layer_norm(x, w, w))), w), leaves), b = value(g, derivative(plain, w), leaves);
  for (std::size_t i = 0; i < 3; ++i) CHECK(a[i] == Approx(b[i]).epsilon(1e-12));
}

TEST_CASE("a value that the loss does not depend on has gradient zero, of its shape") {
  Graph g;
  const Var x = g.input("x", {2}), unused = g.input("unused", {3});
  const Var d = derivative(sum_all(x), unused);
  CHECK(value(g, d, {{{"x", {1, 2}}, {"unused", {1, 2, 3}}}, {}}) == std::vector<double>{0, 0, 0});
}

TEST_CASE("only scalars have gradients, and the message says so") {
  Graph g;
  const Var x = g.input("x", {2});
  CHECK_THROWS_WITH(derivative(x, x), "grad: the loss must be a scalar, got shape [2]");
}

TEST_CASE("an op without a gradient rule is named") {
  static const OpDef opaque = {.name = "opaque", .shape = [](const ShapeArgs& a) { return a.shape(0); }};
  Graph g;
  const Var x = g.input("x", {});
  CHECK_THROWS_WITH(derivative(g.record(opaque, std::vector<Var>{x}), x), "opaque: has no gradient rule");
}
