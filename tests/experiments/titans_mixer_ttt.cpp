#include <catch2/catch.hpp>

#include "experiments/titans/ttt.h"
#include "nn/streams.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

constexpr std::int64_t R = 2, D = 4, hidden = 6, chunk = 3;

Var layer_normed(Var x) {
  Graph& graph = *x.graph;
  return layer_norm(x, broadcast_to(graph.constant(1), {D}), broadcast_to(graph.constant(0), {D}));
}

struct TttCase {
  Graph graph;
  std::int64_t L;
  TttInputs in;
  std::vector<TttLayer> state;
  std::vector<Var> inputs;
  Leaves<double> leaves;

  TttCase(std::size_t depth, std::int64_t length) : L(length) {
    in = {.q = input("q", {R, L, D}),
          .k = input("k", {R, L, D}),
          .v = input("v", {R, L, D}),
          .rate = input("rate", {R, L}),
          .scale = input("scale", {chunk}),
          .gain = input("gain", {R, 1, D}),
          .bias = input("bias", {R, 1, D})};
    const std::vector<std::int64_t> widths =
        depth == 1 ? std::vector<std::int64_t>{D, D} : std::vector<std::int64_t>{D, hidden, D};
    for (std::size_t l = 0; l < depth; ++l) {
      state.push_back({input("W" + std::to_string(l), {R, widths[l], widths[l + 1]}),
                       input("b" + std::to_string(l), {R, 1, widths[l + 1]})});
    }
    std::mt19937 random(4);
    for (Var v : inputs) leaves.values[graph.node(v.id).name] = normals(v.shape().size(), random, 0.7);
    for (double& x : leaves.values["rate"]) x = 0.3 * std::abs(x);
    leaves.values["scale"] = {1, 0.5, 0.3};
  }
  Var input(const std::string& name, Shape shape) {
    inputs.push_back(graph.input(name, shape));
    return inputs.back();
  }

  /// f of the paper for x [row, n, d].
  Var predicted(Var x, const std::vector<TttLayer>& layers) const {
    Var z = matmul(x, layers[0].W) + layers[0].b;
    if (layers.size() == 2) {
      const Var gelu = 0.5 * z * (tanh(std::sqrt(2 / std::acos(-1.0)) * (z + 0.044715 * z * z * z)) + 1.0);
      z = matmul(gelu, layers[1].W) + layers[1].b;
    }
    return x + layer_normed(z) * in.gain + in.bias;
  }
  Var token(Var x, std::int64_t t) const { return slice(x, 1, t, t + 1); }

  /// The rule as it is stated, its gradients taken by grad(), one token's at a time.
  TttOutput by_grad() {
    TttOutput y{{}, state};
    std::vector<Var> out;
    std::vector<Var> first, sums;  // the chunk's first weights, layer after layer, and sums of rate times gradient
    for (std::int64_t t = 0; t < L; ++t) {
      const std::int64_t i = t % chunk;
      if (i == 0) {
        first.clear();
        for (const TttLayer& layer : y.state) first.insert(first.end(), {layer.W, layer.b});
        sums.assign(first.size(), Var{});
      }
      std::vector<TttLayer> start, now;
      for (std::size_t p = 0; p < first.size(); p += 2) start.push_back({first[p], first[p + 1]});
      const Var k = token(in.k, t), error = predicted(k, start) - token(in.v, t);
      const std::vector<Var> gradients = grad(0.5 * sum_all(error * error), first);
      std::vector<Var> weights;
      for (std::size_t p = 0; p < first.size(); ++p) {
        const Var step = gradients[p] * reshape(token(in.rate, t), {R, 1, 1});
        sums[p] = sums[p] ? sums[p] + step : step;
        weights.push_back(first[p] - slice(in.scale, 0, i, i + 1) * sums[p]);
      }
      for (std::size_t p = 0; p < first.size(); p += 2) now.push_back({weights[p], weights[p + 1]});
      out.push_back(predicted(token(in.q, t), now));
      if (i == chunk - 1) y.state = now;
    }
    y.out = concat(out, 1);
    return y;
  }

  static std::vector<Var> all_of(const TttOutput& y) {
    std::vector<Var> all = {y.out};
    for (const TttLayer& layer : y.state) all.insert(all.end(), {layer.W, layer.b});
    return all;
  }
};

}  // namespace

TEST_CASE("ttt in closed form is the rule with gradients taken by grad(), and so are its training gradients") {
  for (std::size_t depth : {1u, 2u}) {
    TttCase c(depth, 9);
    const TttOutput closed = ttt(c.in, c.state, chunk), stated = c.by_grad();
    const auto scalar = [](const TttOutput& y) {
      Var total;
      for (Var v : TttCase::all_of(y)) total = total ? total + sum_all(v * v) : sum_all(v * v);
      return total;
    };
    std::vector<Var> a = TttCase::all_of(closed), b = TttCase::all_of(stated);
    for (Var g : grad(scalar(closed), c.inputs)) a.push_back(g);
    for (Var g : grad(scalar(stated), c.inputs)) b.push_back(g);
    const auto got = evaluate<double>(c.graph, a, c.leaves), expected = evaluate<double>(c.graph, b, c.leaves);
    for (std::size_t i = 0; i < got.size(); ++i) {
      INFO("depth " << depth << ", value " << i);
      CHECK(largest_difference(got[i], expected[i]) < 1e-11);
    }
  }
}

TEST_CASE("what follows the last whole chunk is read, and the state waits for its end") {
  TttCase c(1, 8);
  const TttOutput closed = ttt(c.in, c.state, chunk), stated = c.by_grad();
  CHECK(largest_difference(value(c.graph, closed.out, c.leaves), value(c.graph, stated.out, c.leaves)) < 1e-12);
}

TEST_CASE("the training gradients of ttt agree with finite differences") {
  for (std::size_t depth : {1u, 2u}) {
    TttCase c(depth, 7);
    const Var out = ttt(c.in, c.state, chunk).out;
    check_gradients(c.graph, sum_all(out * out), c.inputs, c.leaves);
  }
}

TEST_CASE("ttt has one layer or two") {
  TttCase c(1, 3);
  CHECK_THROWS_WITH(ttt(c.in, {c.state[0], c.state[0], c.state[0]}, chunk), "ttt: one or two layers, got 3");
}
