#include <deque>

#include "experiments/titans_memory.h"
#include "graph/plan.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

struct Sizes {
  std::size_t depth;
  std::int64_t length, rows = 1, d = 64, hidden = 128, chunk = 16;
};

/// A memory as it is trained: what comes in, the cotangent of what it reads, and a plan of the gradients of what comes
/// in. Outputs and gradients lie outside the arena.
struct Training {
  Graph graph;
  MemoryInputs in;
  MemoryState state;
  std::vector<Var> initial;
  std::deque<std::vector<float>> results;

  std::size_t arena_bytes(const Sizes& s) {
    const Shape tokens = {s.rows, s.length, s.d}, gates = {s.rows, s.length};
    for (auto [name, to] : {std::pair{"q", &in.q}, {"k", &in.k}, {"v", &in.v}}) *to = graph.input(name, tokens);
    for (auto [name, to] : {std::pair{"theta", &in.theta}, {"eta", &in.eta}, {"alpha", &in.alpha}})
      *to = graph.input(name, gates);
    std::vector<Var> wrt = {in.q, in.k, in.v, in.theta, in.eta, in.alpha};
    for (std::size_t l = 0; l < s.depth; ++l) {
      const Shape W = {s.rows, l == 0 ? s.d : s.hidden, l + 1 == s.depth ? s.d : s.hidden};
      initial.push_back(graph.input(fmt::format("initial.{}", l), W));
      wrt.push_back(initial[l]);
      state.M.push_back(initial[l]);
      state.S.push_back(broadcast_to(graph.constant(0), W));
    }
    const Var out = memory_chunked(in, state, initial, {.chunk = s.chunk}).out, d_out = graph.input("d_out", tokens);
    std::vector<Var> wanted = vjp(std::span(&out, 1), std::span(&d_out, 1), wrt);
    wanted.push_back(out);
    std::vector<Plan::Output> outputs;
    for (Var v : wanted) {
      results.emplace_back(v.shape().size());
      outputs.push_back({v, results.back().data()});
    }
    return Plan(graph, outputs, {}).arena_bytes();
  }
};

/// The least that a gradient needs: M and S at the start of every chunk, and of every token q, k, v, what flows back to
/// its answer, and three gates.
double floor_bytes(const Sizes& s) {
  const std::int64_t weights =
      s.depth == 1 ? s.d * s.d : 2 * s.d * s.hidden + (static_cast<std::int64_t>(s.depth) - 2) * s.hidden * s.hidden;
  const std::int64_t states = s.length / s.chunk * 2 * weights, tokens = s.length * (4 * s.d + 3);
  return 4.0 * static_cast<double>(s.rows * (states + tokens));
}

double arena_over_floor(const Sizes& s) { return static_cast<double>(Training().arena_bytes(s)) / floor_bytes(s); }

}  // namespace

TEST_CASE("training through the memory takes less than twice the memory that it has to take") {
  CHECK(floor_bytes({.depth = 1, .length = 2048}) == 128 * 2 * 64 * 64 * 4 + 2048 * 259 * 4);
  CHECK(arena_over_floor({.depth = 1, .length = 2048}) < 1.65);
  CHECK(arena_over_floor({.depth = 1, .length = 512, .rows = 4}) < 1.65);
  CHECK(arena_over_floor({.depth = 2, .length = 512}) < 1.5);
  CHECK(arena_over_floor({.depth = 3, .length = 512}) < 1.5);
}
