#include "nn/attention.h"

#include "nn/causal_sums.h"

namespace saltus {
namespace {

/// Sizes of one call.
struct Sizes {
  std::int64_t batch, tokens, d_model, heads, d_head, d_value;

  Sizes(const Shape& x, const AttentionWeights& w)
      : batch(x[0]), tokens(x[1]), d_model(x[2]), heads(w.W_Q.shape()[0]), d_head(w.W_Q.shape()[2]), d_value(w.W_V.shape()[2]) {}
};

/// z [head, batch*query, d_value] through W_O, where there is one, and summed over heads: [batch, query, d_model].
Var project_out(Var z, const AttentionWeights& w, const Sizes& s) {
  if (w.W_O) z = matmul(z, w.W_O);
  return reshape(sum(z, 0), {s.batch, z.shape()[1] / s.batch, s.d_model});
}

Var scaled(Var scores, const AttentionOptions& options) { return options.scale == 1 ? scores : scores * options.scale; }

AttentionOutput attend_from_last(const Residual& x, const AttentionWeights& w, const AttentionOptions& options) {
  const Sizes s(x.shape(), w);
  const Var query = reshape(x.last(1), {1, s.batch, s.d_model});
  const Var u = matmul(matmul(query, w.W_Q), w.W_K, false, true);  // [head, batch, d_model]
  const Var scores = scaled(x.dots(u), options);                   // [head, batch, 1, key]
  const Var pattern = options.pattern ? options.pattern(scores) : softmax(scores);
  const Var context = x.weighted(pattern);                         // [head, batch, d_model]
  return {project_out(matmul(context, w.W_V), w, s), pattern, {}};
}

/// rows [1, batch*position, d_model] through w [head, d_model, n].
Var project(Var rows, Var w, const AttentionOptions& options) {
  return options.one_hot > 0 ? one_hot_matmul(rows, w, options.one_hot, options.repeated) : matmul(rows, w);
}

Var all_scores(Var x, Var rows, const AttentionWeights& w, const Sizes& s, const AttentionOptions& options) {
  if (2 * s.d_head <= s.d_model) {
    const Var q = reshape(project(rows, w.W_Q, options), {s.heads, s.batch, s.tokens, s.d_head});
    const Var k = reshape(project(rows, w.W_K, options), {s.heads, s.batch, s.tokens, s.d_head});
    return causal_scores(q, k);
  }
  const Var qk = project(rows, matmul(w.W_Q, w.W_K, false, true), options);  // one d_model x d_model matrix a step
  return causal_scores(reshape(qk, {s.heads, s.batch, s.tokens, s.d_model}), x);
}

AttentionOutput attend_from_all(Var value, const AttentionWeights& w, const AttentionOptions& options) {
  const Sizes s(value.shape(), w);
  const Var x = reshape(value, {1, s.batch, s.tokens, s.d_model});
  const Var rows = reshape(value, {1, s.batch * s.tokens, s.d_model});
  const Var scores = scaled(all_scores(x, rows, w, s, options), options);  // [head, batch, query, key]
  const Var pattern = options.pattern ? options.pattern(scores) : causal_softmax(scores);
  if (s.d_value < s.d_model) {
    const Var v = reshape(project(rows, w.W_V, options), {s.heads, s.batch, s.tokens, s.d_value});
    return {project_out(reshape(causal_sums(pattern, v), {s.heads, s.batch * s.tokens, s.d_value}), w, s), pattern, {}};
  }
  const Var context = causal_sums(pattern, x);  // [head, batch, query, d_model]
  return {project_out(matmul(reshape(context, {s.heads, s.batch * s.tokens, s.d_model}), w.W_V), w, s), pattern, value};
}

}  // namespace

AttentionOutput causal_attention(const Residual& x, const AttentionWeights& w, const AttentionOptions& options) {
  return options.last_query_only ? attend_from_last(x, w, options) : attend_from_all(x.value(), w, options);
}

}  // namespace saltus
