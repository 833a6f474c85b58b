#pragma once
#include <vector>

#include "ops/ops.h"

namespace saltus {

/// A residual stream [batch, position, d_model] kept as a sum: direct + sum over terms and heads of context_h W_h. Whoever needs all
/// tokens asks for value(), which multiplies every token by W. An attention layer that reads the stream for one query a sequence needs
/// three products with W for each sequence and none for each token: the functions below give them. The same numbers, but for
/// rounding; what is not asked for costs nothing.
class Residual {
 public:
  Residual(Var direct) : direct_(direct) {}  // NOLINT: a plain stream is a stream

  /// This stream plus sum_h contexts_h W_h; contexts [head, batch, position, d_model], W [head, d_model, d_model].
  Residual plus(Var contexts, Var W) const;

  const Shape& shape() const { return direct_.shape(); }
  /// [batch, position, d_model]
  Var value() const;
  /// The last `count` positions, [batch, count, d_model].
  Var last(std::int64_t count) const;
  /// Products of u [head, batch, d_model], one vector a sequence, with every position: [head, batch, 1, position].
  Var dots(Var u) const;
  /// Sums over positions with weights p [head, batch, 1, position]: [head, batch, d_model].
  Var weighted(Var p) const;

 private:
  struct Term {
    Var context;  // [1, batch, position, d_model], of one head
    Var W;        // [1, d_model, d_model]
  };
  Var direct_;
  std::vector<Term> terms_;
};

}  // namespace saltus
