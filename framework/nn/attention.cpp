#include "nn/attention.h"

namespace saltus {
namespace {

/// Sizes of one call.
struct Sizes {
  std::int64_t batch, keys, queries, d_model, heads, d_head, d_value;

  Sizes(Var x, const AttentionWeights& w, bool last_query_only)
      : batch(x.shape()[0]), keys(x.shape()[1]), queries(last_query_only ? 1 : keys), d_model(x.shape()[2]), heads(w.W_Q.shape()[0]),
        d_head(w.W_Q.shape()[2]), d_value(w.W_V.shape()[2]) {}
};

Var attention_scores(Var x, const AttentionWeights& w, const Sizes& s) {
  const Var tokens = reshape(x, {1, s.batch * s.keys, s.d_model});                   // [1, batch*key, d_model]
  const Var query_tokens = reshape(slice(x, 1, s.keys - s.queries, s.keys), {1, s.batch * s.queries, s.d_model});
  const bool merged = s.queries == 1 || 2 * s.d_head > s.d_model;
  if (!merged) {
    const Var q = reshape(matmul(query_tokens, w.W_Q), {s.heads, s.batch, s.queries, s.d_head});
    const Var k = reshape(matmul(tokens, w.W_K), {s.heads, s.batch, s.keys, s.d_head});
    return matmul(q, k, false, true);
  }
  const Var qk = s.queries == 1 ? matmul(matmul(query_tokens, w.W_Q), w.W_K, false, true)   // two thin products
                                : matmul(query_tokens, matmul(w.W_Q, w.W_K, false, true));  // one d_model x d_model matrix a step
  return matmul(reshape(qk, {s.heads, s.batch, s.queries, s.d_model}), reshape(x, {1, s.batch, s.keys, s.d_model}), false, true);
}

}  // namespace

AttentionOutput causal_attention(Var x, const AttentionWeights& w, const AttentionOptions& options) {
  const Sizes s(x, w, options.last_query_only);
  Var scores = attention_scores(x, w, s);  // [head, batch, query, key]
  if (options.scale != 1) scores = scores * options.scale;
  const Var pattern = causal_softmax(scores);  // [head, batch, query, key]

  Var z;  // [head, batch*query, d_value]
  if (s.queries == 1 || s.d_value >= s.d_model) {
    const Var context = matmul(pattern, reshape(x, {1, s.batch, s.keys, s.d_model}));  // [head, batch, query, d_model]
    z = matmul(reshape(context, {s.heads, s.batch * s.queries, s.d_model}), w.W_V);
  } else {
    const Var tokens = reshape(x, {1, s.batch * s.keys, s.d_model});
    const Var v = reshape(matmul(tokens, w.W_V), {s.heads, s.batch, s.keys, s.d_value});
    z = reshape(matmul(pattern, v), {s.heads, s.batch * s.queries, s.d_value});
  }
  if (w.W_O) z = matmul(z, w.W_O);
  return {reshape(sum(z, 0), {s.batch, s.queries, s.d_model}), pattern};
}

}  // namespace saltus
