#include <catch2/catch.hpp>

#include "experiments/titans/chunks.h"
#include "experiments/titans/delta.h"
#include "experiments/titans/gru.h"
#include "experiments/titans/linear_attention.h"
#include "nn/streams.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

constexpr std::int64_t R = 3, D = 4;

/// S_t = a_t (S_{t-1} - beta_t k_t' (k_t S_{t-1})) + beta_t k_t' v_t, out_t = q_t S_t, token by token; without the
/// middle term where `erases` is false. The outputs, then the last states.
std::vector<std::vector<double>> token_by_token(const Leaves<double>& leaves, std::int64_t L, bool erases) {
  const auto at = [&](const char* name, std::int64_t i) { return leaves.values.at(name)[static_cast<std::size_t>(i)]; };
  std::vector<double> out, states = leaves.values.at("S");
  for (std::int64_t r = 0; r < R; ++r) {
    const auto S = [&](std::int64_t i, std::int64_t j) -> double& {
      return states[static_cast<std::size_t>((r * D + i) * D + j)];
    };
    for (std::int64_t t = 0; t < L; ++t) {
      const std::int64_t token = r * L + t;
      for (std::int64_t j = 0; j < D; ++j) {
        double held = 0;
        for (std::int64_t i = 0; i < D; ++i) held += at("k", token * D + i) * S(i, j) * at("a", token);
        const double write = at("beta", token) * (at("v", token * D + j) - (erases ? held : 0));
        for (std::int64_t i = 0; i < D; ++i) S(i, j) = at("a", token) * S(i, j) + at("k", token * D + i) * write;
      }
      for (std::int64_t j = 0; j < D; ++j) {
        double read = 0;
        for (std::int64_t i = 0; i < D; ++i) read += at("q", token * D + i) * S(i, j);
        out.push_back(read);
      }
    }
  }
  return {out, states};
}

struct RuleCase {
  Graph graph;
  std::int64_t L;
  Var q, k, v, beta, a, S;
  Leaves<double> leaves;

  explicit RuleCase(std::int64_t length)
      : L(length),
        q(graph.input("q", {R, L, D})),
        k(graph.input("k", {R, L, D})),
        v(graph.input("v", {R, L, D})),
        beta(graph.input("beta", {R, L})),
        a(graph.input("a", {R, L})),
        S(graph.input("S", {R, D, D})) {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> unit(0, 1);
    for (const char* name : {"q", "k", "v"}) leaves.values[name] = normals(R * L * D, random, 0.5);
    leaves.values["S"] = normals(R * D * D, random);
    for (const char* name : {"beta", "a"}) {
      for (std::int64_t i = 0; i < R * L; ++i) leaves.values[name].push_back(unit(random));
    }
  }
  void all_equal(const char* name, double x) { leaves.values[name].assign(static_cast<std::size_t>(R * L), x); }

  void check_against_rule(const MatrixRuleOutput& y, bool erases) const {
    const auto expected = token_by_token(leaves, L, erases);
    const auto got = evaluate<double>(graph, std::vector<Var>{y.out, y.state}, leaves);
    CHECK(largest_difference(got[0], expected[0]) < 1e-12);
    CHECK(largest_difference(got[1], expected[1]) < 1e-12);
  }
};

}  // namespace

TEST_CASE("linear attention and the delta rules in chunks of any size are their token-by-token rules") {
  for (std::int64_t chunk : {1, 2, 3, 4, 7, 11, 16}) {
    INFO("chunk " << chunk);
    RuleCase c(11);
    c.check_against_rule(delta_rule(c.q, c.k, c.v, c.beta, c.a, c.S, chunk), true);
    c.all_equal("a", 1);
    c.check_against_rule(delta_rule(c.q, c.k, c.v, c.beta, {}, c.S, chunk), true);
    c.all_equal("beta", 1);
    c.check_against_rule(linear_attention(c.q, c.k, c.v, c.S, chunk), false);
  }
}

TEST_CASE("a token that keeps nothing empties the gated delta rule's state") {
  RuleCase c(9);
  c.leaves.values["a"][4] = 0;
  c.check_against_rule(delta_rule(c.q, c.k, c.v, c.beta, c.a, c.S, 8), true);
}

TEST_CASE("the gradients of the gated delta rule agree with finite differences") {
  RuleCase c(5);
  const MatrixRuleOutput y = delta_rule(c.q, c.k, c.v, c.beta, c.a, c.S, 3);
  check_gradients(c.graph, sum_all(y.out * y.out) + sum_all(y.state * y.state), {c.q, c.k, c.v, c.beta, c.a, c.S},
                  c.leaves);
}

TEST_CASE("the inverse of a unit lower triangular matrix") {
  for (std::int64_t n : {1, 2, 3, 5, 8, 13}) {
    Graph graph;
    std::vector<double> identity, below;
    for (std::int64_t i = 0; i < n * n; ++i) below.push_back(i % n < i / n ? 1 : 0);
    const Var all = graph.input("A", {2, n, n}), A = all * graph.constant(std::move(below), {n, n});
    for (std::int64_t i = 0; i < n * n; ++i) identity.push_back(i % (n + 1) == 0 ? 1 : 0);
    const Var I = graph.constant(std::move(identity), {n, n});
    std::mt19937 random(1);
    const Leaves<double> leaves = leaves_of({{"A", normals(2 * n * n, random)}});
    const std::vector<double> rest = value(graph, matmul(I + A, inverse_of_unit_lower(all)) - I, leaves);
    CHECK(largest_difference(rest, std::vector<double>(rest.size(), 0.0)) < 1e-9);
  }
}

TEST_CASE("one key written again and again leaves single precision its digits, in a long chunk too") {
  // beta = 1: what is read is the last value written. Powers of the chunk's matrix reach 1e17 here.
  constexpr std::int64_t L = 64;
  Graph graph;
  const Var k = broadcast_to(graph.constant({0.6, 0, 0.8, 0}, {D}), {1, L, D}), v = graph.input("v", {1, L, D});
  const Var beta = broadcast_to(graph.constant(1), {1, L});
  const MatrixRuleOutput y = delta_rule(k, k, v, beta, {}, broadcast_to(graph.constant(0), {1, D, D}), L);
  std::mt19937 random(1);
  const std::vector<double> values = normals(L * D, random);
  Leaves<float> leaves;
  leaves.values["v"].assign(values.begin(), values.end());
  const std::vector<float> out = evaluate<float>(graph, std::vector<Var>{y.out}, leaves, Kernels::fast)[0];
  CHECK(largest_difference(std::vector<double>(out.begin(), out.end()), values) < 1e-5);
}

TEST_CASE("the gru is PyTorch's") {
  constexpr std::int64_t B = 2, L = 4, M = 3, N = 2;
  Graph graph;
  const Var x = graph.input("x", {B, L, M}), h = graph.input("h", {B, N});
  const titans::GruWeights w{graph.input("W", {M, 3 * N}), graph.input("b", {3 * N}), graph.input("U", {N, 3 * N}),
                             graph.input("c", {3 * N})};
  const GruOutput y = gru(x, w, h);
  std::mt19937 random(8);
  Leaves<double> leaves;
  for (Var v : {x, h, w.W_input, w.b_input, w.W_hidden, w.b_hidden}) {
    leaves.values[graph.node(v.id).name] = normals(v.shape().size(), random);
  }
  const auto at = [&](const char* name, std::int64_t i) { return leaves.values.at(name)[static_cast<std::size_t>(i)]; };
  const auto sigma = [](double s) { return 1 / (1 + std::exp(-s)); };
  std::vector<double> expected, last;
  for (std::int64_t b = 0; b < B; ++b) {
    std::vector<double> state = {at("h", b * N), at("h", b * N + 1)};
    for (std::int64_t t = 0; t < L; ++t) {
      const auto from_x = [&](std::int64_t g) {
        double s = at("b", g);
        for (std::int64_t m = 0; m < M; ++m) s += at("x", (b * L + t) * M + m) * at("W", m * 3 * N + g);
        return s;
      };
      const auto from_h = [&](std::int64_t g) {
        return at("c", g) + state[0] * at("U", g) + state[1] * at("U", 3 * N + g);
      };
      std::vector<double> next;
      for (std::int64_t n = 0; n < N; ++n) {
        const double r = sigma(from_x(n) + from_h(n)), z = sigma(from_x(N + n) + from_h(N + n));
        const double candidate = std::tanh(from_x(2 * N + n) + r * from_h(2 * N + n));
        next.push_back((1 - z) * candidate + z * state[static_cast<std::size_t>(n)]);
      }
      state = next;
      expected.insert(expected.end(), state.begin(), state.end());
    }
    last.insert(last.end(), state.begin(), state.end());
  }
  CHECK(largest_difference(value(graph, y.out, leaves), expected) < 1e-13);
  CHECK(largest_difference(value(graph, y.state, leaves), last) < 1e-13);
}
