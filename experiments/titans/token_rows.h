#pragma once
#include "ops/ops.h"

namespace saltus::titans {

/// Where a sequence is asked something, the same number of times in each, for computations that are needed there alone.
struct Asked {
  Var at = {};      // [batch, question, position], one-hot
  Var tokens = {};  // i32 [batch, question]

  explicit operator bool() const { return static_cast<bool>(at); }
  std::int64_t count() const { return at.shape()[1]; }
  /// Rows x [batch, position, n] or [batch, head, position, n] at the questions: [batch, (head,) question, n].
  Var rows(Var x) const;
};

/// An array [batch, position, n]. Where no token has met another yet, its rows are a function of the token alone: then
/// it is kept as that function's table [token, n], in which what is done row by row is done once for every token of the
/// vocabulary instead of for every position.
class TokenRows {
 public:
  TokenRows(Var all) : values_(all) {}  // NOLINT: an array is its rows
  /// table [token, n]; tokens i32 [batch, position]. A table of more rows than there are positions is looked up at
  /// once.
  TokenRows(Var table, Var tokens);

  /// f(rows [..., n]) -> [..., m], which treats every row alike.
  template <class F>
  TokenRows map(const F& f) const {
    TokenRows out = *this;
    out.values_ = f(values_);
    return out;
  }

  Graph& graph() const { return *values_.graph; }
  Shape shape() const;
  /// [batch, position, n]
  Var all() const;
  /// [batch, question, n]; all() where nothing in particular is asked.
  Var at(const Asked& asked) const;

 private:
  Var values_;  // [batch, position, n], or [token, n] with tokens_
  Var tokens_;
};

}  // namespace saltus::titans
