#include "nn/causal_sums.h"

namespace saltus {
namespace {

/// A sequence's rows of `width` numbers that fit into the first cache are multiplied by the triangle alone; longer ones
/// by a product of whole matrices.
bool by_triangle(std::int64_t positions, std::int64_t width) { return positions * width <= 8192; }

}  // namespace

Var causal_scores(Var q, Var k) {
  return by_triangle(q.shape()[-2], q.shape()[-1]) ? causal_dots(q, k) : matmul(q, k, false, true);
}
Var causal_sums(Var pattern, Var x) {
  return by_triangle(x.shape()[-2], x.shape()[-1]) ? causal_apply(pattern, x) : matmul(pattern, x);
}

}  // namespace saltus
