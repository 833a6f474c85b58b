#include "experiments/titans/delta.h"

#include <algorithm>

#include "experiments/titans/chunks.h"

namespace saltus::titans {
namespace {

/// [...] -> [..., 1]
Var as_column(Var x) { return reshape(x, x.shape().inserted(x.shape().rank(), 1)); }

/// Within chunks: what is left at token i of what was written at j <= i, of the chunk's first state at i, and at the
/// end of what was written at j. All empty without a decay.
struct Decay {
  Var kernel;    // [chunk, row, i, j]; above the diagonal without meaning
  Var of_state;  // [chunk, row, i, 1]
  Var to_end;    // [chunk, row, j, 1]
  Var whole;     // [chunk, row, 1, 1]

  Decay(Var a, std::int64_t C) {
    if (!a) return;
    // log a, of which the padding after the sequence has none; 1e-13 in place of an a of 0, whose logarithm would spoil
    // differences
    const Var c = cumulative_sum(into_chunks(log(relu(a - 1e-13) + 1e-13), C));  // [chunk, row, token]
    const Var last = slice(c, -1, C - 1, C);
    const Var row = reshape(c, c.shape().inserted(2, 1));
    kernel = exp((as_column(c) - row) * lower_triangle(*a.graph, C));
    of_state = exp(as_column(c));
    to_end = exp(as_column(last - c));
    whole = exp(as_column(last));
  }
};

}  // namespace

MatrixRuleOutput delta_rule(Var q, Var k, Var v, Var beta, Var a, Var state, std::int64_t chunk) {
  Graph& graph = *q.graph;
  const std::int64_t positions = q.shape()[1], C = std::min(chunk, positions);
  const Var Q = into_chunks(q, C), K = into_chunks(k, C), V = into_chunks(v, C);  // [chunk, row, token, d]
  const Var B = as_column(into_chunks(beta, C));                                  // [chunk, row, token, 1]
  const Decay decay(a, C);
  const auto decayed = [](Var x, Var by) { return by ? x * by : x; };

  const Var between = decayed(matmul(K * B, K, false, true), decay.kernel);
  const Var solve = inverse_of_unit_lower(between);          // [chunk, row, token, token]
  const std::vector<Var> U = unstack(matmul(solve, V * B));  // writes if the state were 0
  const std::vector<Var> W =
      unstack(matmul(solve, decayed(K * B, decay.of_state)));  // what they lose to a state S: W S
  const std::vector<Var> to_end = unstack(decayed(K, decay.to_end));
  const std::vector<Var> whole = decay.whole ? unstack(decay.whole) : std::vector<Var>(U.size());

  std::vector<Var> before, writes;  // [row, d, d], [row, token, d]
  for (std::size_t n = 0; n < U.size(); ++n) {
    before.push_back(state);
    writes.push_back(U[n] - matmul(W[n], state));
    state = decayed(state, whole[n]) + matmul(to_end[n], writes[n], true);
  }
  const Var seen =
      decayed(matmul(Q, K, false, true), decay.kernel) * lower_triangle(graph, C);  // [chunk, row, query, key]
  const Var out = matmul(decayed(Q, decay.of_state), stack(before)) + matmul(seen, stack(writes));
  return {from_chunks(out, positions), state};
}

}  // namespace saltus::titans
