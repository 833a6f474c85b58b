#include "graph/plan.h"
#include "nn/rotary.h"
#include "nn/streams.h"
#include "nn/window_attention.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

constexpr std::int64_t H = 2, B = 2, D = 4;

/// x [batch, position, 3 head d] to q, k, v [head, batch, position, d], and their attention.
struct Case {
  WindowAttentionOptions options;
  std::int64_t n_persistent = 3;

  PersistentPrefix prefix(Graph& graph) const {
    if (n_persistent == 0) return {};
    return {graph.input("prefix_k", {H, n_persistent, D}), graph.input("prefix_v", {H, n_persistent, D})};
  }
  WindowAttentionOutput record(Graph& graph, Carry& carry, Var x) const {
    const Var all = permute(reshape(x, {B, x.shape()[1], 3 * H, D}), {2, 0, 1, 3});
    return window_attention(slice(all, 0, 0, H), slice(all, 0, H, 2 * H), slice(all, 0, 2 * H, 3 * H), prefix(graph),
                            options, carry, "attn");
  }
  /// [batch, position, head d]
  Var out(Graph& graph, Carry& carry, Var x) const {
    return reshape(permute(record(graph, carry, x).out, {1, 2, 0, 3}), {B, x.shape()[1], H * D});
  }
};

Leaves<double> random_leaves(std::int64_t n, unsigned seed, std::int64_t n_persistent = 3) {
  std::mt19937 random(seed);
  Leaves<double> leaves = leaves_of({{"x", normals(B * n * 3 * H * D, random)}});
  if (n_persistent > 0) {
    leaves.values["prefix_k"] = normals(H * n_persistent * D, random);
    leaves.values["prefix_v"] = normals(H * n_persistent * D, random);
  }
  return leaves;
}

/// Weights of query i of one head and sequence over the prefix and its own keys, by the definition.
std::vector<double> weights_of(const std::vector<double>& q, const std::vector<double>& plain_q,
                               const std::vector<double>& k, const std::vector<double>& prefix_k, std::size_t prefix,
                               std::size_t n, std::size_t i, std::size_t window, std::size_t head, std::size_t row) {
  std::vector<double> w(prefix + n, 0.0);
  double total = 0;
  for (std::size_t j = 0; j < prefix + n; ++j) {
    const bool own = j >= prefix;
    if (own && (j - prefix > i || (window > 0 && j - prefix + window <= i))) continue;
    double score = 0;
    for (std::size_t m = 0; m < D; ++m) {
      score += own ? q[(row * n + i) * D + m] * k[(row * n + j - prefix) * D + m]
                   : plain_q[(row * n + i) * D + m] * prefix_k[(head * prefix + j) * D + m];
    }
    total += w[j] = std::exp(score / 2);
  }
  for (double& x : w) x /= total;
  return w;
}

}  // namespace

TEST_CASE("attention with a window and a prefix is what its definition says") {
  for (const auto& [window, n] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 7}, {3, 7}, {3, 6}, {3, 3}, {1, 5}, {9, 7}}) {
    for (const std::int64_t n_persistent : {3, 0}) {
      const Case c{{.window = window, .rotary = n_persistent > 0}, n_persistent};
      INFO("window " << window << ", " << n << " positions, prefix " << n_persistent);
      Graph graph;
      Carry carry;
      const Var x = graph.input("x", {B, n, 3 * H * D});
      const WindowAttentionOutput y = c.record(graph, carry, x);
      const Var all = permute(reshape(x, {B, n, 3 * H, D}), {2, 0, 1, 3});
      const Var plain_q = slice(all, 0, 0, H), plain_k = slice(all, 0, H, 2 * H), v = slice(all, 0, 2 * H, 3 * H);
      const bool turn = c.options.rotary;
      std::vector<Var> wanted = {
          y.out, y.pattern, turn ? rotary(plain_q) : plain_q, plain_q, turn ? rotary(plain_k) : plain_k, v};
      if (n_persistent > 0)
        wanted.insert(wanted.end(), {y.prefix, graph.input("prefix_k", {H, 3, D}), graph.input("prefix_v", {H, 3, D})});
      auto got = evaluate<double>(graph, wanted, random_leaves(n, 5, n_persistent));
      got.resize(9);
      const auto N = static_cast<std::size_t>(n), P = static_cast<std::size_t>(n_persistent);
      for (std::size_t row = 0; row < H * B; ++row) {
        const std::size_t head = row / B;
        for (std::size_t i = 0; i < N; ++i) {
          const auto w =
              weights_of(got[2], got[3], got[4], got[7], P, N, i, static_cast<std::size_t>(window), head, row);
          for (std::size_t j = 0; j < P; ++j) CHECK(got[6][(row * N + i) * P + j] == Approx(w[j]).margin(1e-12));
          for (std::size_t j = 0; j < N; ++j) CHECK(got[1][(row * N + i) * N + j] == Approx(w[P + j]).margin(1e-12));
          for (std::size_t m = 0; m < D; ++m) {
            double read = 0;
            for (std::size_t j = 0; j < P + N; ++j)
              read += w[j] * (j < P ? got[8][(head * P + j) * D + m] : got[5][(row * N + j - P) * D + m]);
            CHECK(got[0][(row * N + i) * D + m] == Approx(read).margin(1e-12));
          }
        }
      }
    }
  }
}

TEST_CASE("window attention in stretches, shorter and longer than the window, is that of the whole") {
  const Case c{{.window = 3}};
  const Shape shape = {B, 15, 3 * H * D};
  const Leaves<double> leaves = random_leaves(15, 6);
  const Recorded recorded = [&c](Graph& graph, Carry& carry, Var x) { return c.out(graph, carry, x); };
  Graph graph;
  Carry carry;
  const std::vector<double> whole = value(graph, recorded(graph, carry, graph.input("x", shape)), leaves);
  const Shape out = {B, 15, H * D};
  std::int64_t first = 0;
  const std::vector<std::int64_t> lengths = {1, 1, 2, 3, 7, 1};
  const auto parts = in_stretches(recorded, leaves.values.at("x"), shape, lengths, leaves);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    CHECK(largest_difference(parts[i], positions(whole, out, first, first + lengths[i])) < 1e-12);
    first += lengths[i];
  }
}

TEST_CASE("window attention recorded in parts of one graph is that of the whole") {
  const Case c{{.window = 4}};
  Graph graph;
  Carry once, carry;
  Carry parts = Carry::in_parts(carry);
  const Var x = graph.input("x", {B, 9, 3 * H * D}), whole = c.out(graph, once, x);
  std::vector<Var> outs;
  for (const auto& [first, last] : std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 3}, {3, 4}, {4, 9}}) {
    outs.push_back(c.out(graph, parts, slice(x, 1, first, last)));
  }
  parts.join();
  const std::vector<double> difference = value(graph, concat(outs, 1) - whole, random_leaves(9, 8));
  CHECK(largest_difference(difference, std::vector<double>(difference.size(), 0.0)) < 1e-12);
}

TEST_CASE("gradients of window attention") {
  for (const std::int64_t window : {0, 2}) {
    const Case c{{.window = window}};
    Graph graph;
    Carry carry;
    const Var x = graph.input("x", {B, 5, 3 * H * D}), y = c.out(graph, carry, x);
    const PersistentPrefix prefix = c.prefix(graph);
    check_gradients(graph, sum_all(y * y), {x, prefix.keys, prefix.values}, random_leaves(5, 7));
  }
}

TEST_CASE("attention to all keys is refused in a stretch") {
  Graph graph;
  Carry carry(Carry::Mode::stretch);
  CHECK_THROWS_WITH(Case{}.record(graph, carry, graph.input("x", {B, 5, 3 * H * D})),
                    "attn: attention to all keys cannot run over a stream, its state grows with it; give it a window");
}

TEST_CASE("the work of window attention grows with the length, not with its square") {
  const auto flops = [](std::int64_t n) {
    Graph graph;
    Carry carry;
    const std::vector<Plan::Output> outputs = {
        {Case{{.window = 8}, 0}.out(graph, carry, graph.input("x", {B, n, 3 * H * D}))}};
    const Plan plan(graph, outputs, [](const std::string&, const Shape&) -> float* { return nullptr; });
    double total = 0;
    for (const Instruction& i : plan.instructions()) total += i.flops;
    return total;
  };
  CHECK(flops(512) < 2.1 * flops(256));
}
