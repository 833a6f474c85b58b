#include "experiments/titans/linear_attention.h"

#include <algorithm>

#include "experiments/titans/chunks.h"

namespace saltus::titans {

MatrixRuleOutput linear_attention(Var q, Var k, Var v, Var state, std::int64_t chunk) {
  const std::int64_t positions = q.shape()[1], C = std::min(chunk, positions);
  const Var Q = into_chunks(q, C), K = into_chunks(k, C), V = into_chunks(v, C);  // [chunk, row, token, d]
  std::vector<Var> before;
  for (Var written : unstack(matmul(K, V, true))) {
    before.push_back(state);
    state = state + written;
  }
  const Var seen = matmul(Q, K, false, true) * lower_triangle(*q.graph, C);  // [chunk, row, query, key]
  return {from_chunks(matmul(Q, stack(before)) + matmul(seen, V), positions), state};
}

}  // namespace saltus::titans
