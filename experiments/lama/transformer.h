#pragma once
#include "experiments/lama/model.h"

namespace saltus::lama {

struct EncoderLayer {
  Var out;      // [batch, length, d_model]
  Var pattern;  // [head, batch, query, key]
};

/// A transformer's encoder layer (Vaswani et al. 2017, section 3; PyTorch's nn.TransformerEncoderLayer without
/// dropout):
///   y = LayerNorm(x + sum_h softmax over words of (q_h k_h' / sqrt(d_head)) v_h W_O,h + b_O)
///   out = LayerNorm(y + relu(y W_in + b_in) W_out + b_out),  4 d_model units in between,
/// q, k, v = x W + b with biases, n_heads heads of d_model / n_heads. x [batch, length, d_model], mask [batch, length].
/// Rows of padding hold numbers without a meaning.
EncoderLayer encoder_layer(Graph& graph, ParamStore& params, const ModelConfig& model, Var x, Var mask);

}  // namespace saltus::lama
