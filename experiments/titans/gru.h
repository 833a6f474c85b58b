#pragma once
#include "ops/ops.h"

namespace saltus::titans {

/// Weights of a gated recurrent unit; the three parts of the last axis are reset, update and candidate, as in PyTorch's
/// nn.GRU.
struct GruWeights {
  Var W_input, b_input;    // [d_model, 3 hidden], [3 hidden]
  Var W_hidden, b_hidden;  // [hidden, 3 hidden], [3 hidden]
};

struct GruOutput {
  Var out;    // [batch, position, hidden]: h_t
  Var state;  // [batch, hidden], after the last token
};

/// Cho et al. 2014 as PyTorch states it:
///   r = s(x W_r + b_r + h U_r + c_r),  z = s(x W_z + b_z + h U_z + c_z),  n = tanh(x W_n + b_n + r (h U_n + c_n)),  h'
///   = (1 - z) n + z h.
/// x [batch, position, d_model], state [batch, hidden]. Token by token.
GruOutput gru(Var x, const GruWeights& w, Var state);

}  // namespace saltus::titans
