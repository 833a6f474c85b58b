#include "nn/residual.h"

#include "nn/causal_sums.h"

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

Residual Residual::plus(Var patterns, Var read, Var W) const {
  Residual sum = *this;
  for (std::int64_t h = 0; h < patterns.shape()[0]; ++h) sum.terms_.push_back({slice(patterns, 0, h, h + 1), read, slice(W, 0, h, h + 1)});
  return sum;
}

Var Residual::value() const {
  Var x = direct_;
  for (const Term& t : terms_) x = x + times(causal_sums(t.pattern, one_head(t.read)), t.W);
  return x;
}

Var Residual::last(std::int64_t count) const {
  const std::int64_t positions = shape()[1];
  if (count == positions) return value();
  Var x = slice(direct_, 1, positions - count, positions);
  for (const Term& t : terms_) x = x + times(matmul(slice(t.pattern, 2, positions - count, positions), one_head(t.read)), t.W);
  return x;
}

std::vector<Var> Residual::times_tokens(const std::vector<Var>& rows, bool transposed) const {
  const auto tokens = [this](std::size_t i) { return i == 0 ? direct_ : terms_[i - 1].read; };
  std::vector<Var> products(rows.size());
  for (std::size_t first = 0; first < rows.size(); ++first) {
    if (products[first]) continue;
    std::vector<std::size_t> those;
    std::vector<Var> stacked;
    for (std::size_t i = first; i < rows.size(); ++i) {
      if (tokens(i) == tokens(first)) those.push_back(i), stacked.push_back(rows[i]);
    }
    const bool alone = those.size() == 1;
    const Var all = matmul(alone ? rows[first] : concat(stacked, 2), one_head(tokens(first)), false, transposed);  // [head, batch, row, ...]
    for (std::size_t i = 0; i < those.size(); ++i) products[those[i]] = alone ? all : slice(all, 2, static_cast<std::int64_t>(i), static_cast<std::int64_t>(i) + 1);
  }
  return products;
}

// u . (sum_i p_ji x_i W) = sum_i p_ji (W u . x_i)
Var Residual::dots(Var u) const {
  std::vector<Var> rows = {as_rows(u)};
  for (const Term& t : terms_) rows.push_back(as_rows(matmul(u, t.W, false, true)));
  const std::vector<Var> singles = times_tokens(rows, true);  // [head, batch, 1, position] each
  Var s = singles[0];
  for (std::size_t i = 0; i < terms_.size(); ++i) s = s + matmul(singles[i + 1], terms_[i].pattern, false, true);
  return s;
}

// sum_j p_j sum_i p_ji x_i W = (sum_i (sum_j p_j p_ji) x_i) W
Var Residual::weighted(Var p) const {
  std::vector<Var> rows = {p};
  for (const Term& t : terms_) rows.push_back(matmul(p, t.pattern));
  const std::vector<Var> sums = times_tokens(rows, false);  // [head, batch, 1, d_model] each
  Var c = as_vectors(sums[0]);
  for (std::size_t i = 0; i < terms_.size(); ++i) c = c + matmul(as_vectors(sums[i + 1]), terms_[i].W);
  return c;
}

}  // namespace saltus
