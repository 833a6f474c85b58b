#include "nn/residual.h"

namespace saltus {
namespace {

/// [head, batch, d] as one row a sequence, [head, batch, 1, d], and back.
Var as_rows(Var x) { return reshape(x, x.shape().inserted(2, 1)); }
Var as_vectors(Var x) { return reshape(x, x.shape().without(2)); }

/// x [batch, position, d] with a head axis of 1, [1, batch, position, d].
Var one_head(Var x) { return reshape(x, x.shape().inserted(0, 1)); }

/// x [1, batch, position, d] times W [1, d, d], as [batch, position, d].
Var times(Var x, Var W) {
  const Shape s = x.shape();
  return reshape(matmul(reshape(x, {1, s[1] * s[2], s[3]}), W), s.without(0));
}

}  // namespace

Residual Residual::plus(Var contexts, Var W) const {
  Residual sum = *this;
  for (std::int64_t h = 0; h < contexts.shape()[0]; ++h) sum.terms_.push_back({slice(contexts, 0, h, h + 1), slice(W, 0, h, h + 1)});
  return sum;
}

Var Residual::value() const {
  Var x = direct_;
  for (const Term& t : terms_) x = x + times(t.context, t.W);
  return x;
}

Var Residual::last(std::int64_t count) const {
  const std::int64_t positions = shape()[1];
  Var x = slice(direct_, 1, positions - count, positions);
  for (const Term& t : terms_) x = x + times(slice(t.context, 2, positions - count, positions), t.W);
  return x;
}

Var Residual::dots(Var u) const {
  Var s = matmul(as_rows(u), one_head(direct_), false, true);
  for (const Term& t : terms_) s = s + matmul(as_rows(matmul(u, t.W, false, true)), t.context, false, true);
  return s;
}

Var Residual::weighted(Var p) const {
  Var c = as_vectors(matmul(p, one_head(direct_)));
  for (const Term& t : terms_) c = c + matmul(as_vectors(matmul(p, t.context)), t.W);
  return c;
}

}  // namespace saltus
