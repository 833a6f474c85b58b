#include "experiments/titans/token_rows.h"

namespace saltus::titans {

Var Asked::rows(Var x) const { return matmul(x.shape().rank() == 4 ? reshape(at, at.shape().inserted(1, 1)) : at, x); }

TokenRows::TokenRows(Var table, Var tokens) : values_(table), tokens_(tokens) {
  if (table.shape()[0] <= tokens.shape().size()) return;
  values_ = take(table, tokens);
  tokens_ = {};
}

Shape TokenRows::shape() const {
  return tokens_ ? tokens_.shape().inserted(tokens_.shape().rank(), values_.shape()[-1]) : values_.shape();
}

Var TokenRows::all() const { return tokens_ ? take(values_, tokens_) : values_; }

Var TokenRows::at(const Asked& asked) const {
  if (!asked) return all();
  return tokens_ ? take(values_, asked.tokens) : asked.rows(values_);
}

}  // namespace saltus::titans
