#pragma once
#include <vector>

#include "ops/ops.h"

namespace saltus {

/// A residual stream [batch, position, d_model] kept as a sum of products: direct + sum over terms and heads of pattern_h read W_h, where
/// `read` is the stream that an attention layer read. Whoever needs all tokens asks for value(), which multiplies everything out. An
/// attention layer that reads the stream for one query a sequence needs products with W for each sequence and none for each token,
/// and of the pattern with single rows only: the functions below give them. The same numbers, but for rounding; what is not asked
/// for costs nothing.
class Residual {
 public:
  Residual(Var direct) : direct_(direct) {}  // NOLINT: a plain stream is a stream

  /// This stream plus sum_h patterns_h read W_h; patterns [head, batch, position, position], 0 above the diagonal; read [batch, position,
  /// d_model]; W [head, d_model, d_model].
  Residual plus(Var patterns, Var read, Var W) const;

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
    Var pattern;  // [1, batch, position, position], of one head
    Var read;     // [batch, position, d_model]
    Var W;        // [1, d_model, d_model]
  };
  /// rows[0] times direct, rows[i + 1] times what term i read, or their transposes, [head, batch, 1, ...] each: rows that meet the same
  /// tokens do so together, since reading these is what takes the time.
  std::vector<Var> times_tokens(const std::vector<Var>& rows, bool transposed) const;

  Var direct_;
  std::vector<Term> terms_;
};

}  // namespace saltus
