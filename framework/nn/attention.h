#pragma once
#include <functional>

#include "nn/params.h"
#include "nn/residual.h"
#include "ops/ops.h"

namespace saltus {

/// Weights of one attention layer; row vectors multiply from the left, as in TransformerLens.
struct AttentionWeights {
  Var W_Q;  // [head, d_model, d_head]
  Var W_K;  // [head, d_model, d_head]
  Var W_V;  // [head, d_model, d_value]
  Var W_O;  // [head, d_value, d_model], or empty: the values are added to the residual stream as they are (d_value = d_model)
};

struct AttentionOptions {
  double scale = 1;              // of the scores, before softmax
  std::int64_t one_hot = 0;      // the first so many features of x are a one-hot code, such as a position's: looked up, not multiplied
  RepeatedRows repeated = {};    // with one_hot: tokens that are equal but for that code, [batch, pair] of a sequence's 2 pairs + 1 tokens
  bool last_query_only = false;  // outputs for the last position only: all that a classifier of the last token needs
  /// Makes the pattern out of the scaled scores, both [head, batch, query, key]; null: causal softmax. For experiments that put something
  /// else in its place. What it leaves out of the scores is not computed.
  std::function<Var(Var scores)> pattern = {};
};

struct AttentionOutput {
  Var out;      // [batch, query, d_model], summed over heads
  Var pattern;  // [head, batch, query, key]
  Var read;     // [batch, position, d_model]: out = sum over heads of pattern read W_V W_O; empty where it is not put together so
};

/// Causal softmax attention. Per head: pattern_ij = softmax over j <= i of scale (x_i W_Q) . (x_j W_K), out_i = sum_j pattern_ij x_j W_V W_O.
/// x: [batch, position, d_model]; query = position, or 1 with last_query_only. options.pattern may give another pattern.
///
/// Exact rearrangements that cost less than the formula as written are chosen by their operation counts:
///  - W_Q W_K' is multiplied out when d_head is more than half of d_model: one product for every token instead of two;
///  - for the last query alone, x_n W_Q W_K' is formed and no token is ever projected to a key;
///  - the pattern is applied before W_V where that is no more work;
///  - of short sequences' products over positions, only the visible half is multiplied; a one-hot code (options.one_hot) is looked up;
///  - for the last query alone, a stream that is still a sum of products is not multiplied out (Residual).
AttentionOutput causal_attention(const Residual& x, const AttentionWeights& weights, const AttentionOptions& options);

}  // namespace saltus
