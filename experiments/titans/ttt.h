#pragma once
#include <cstdint>
#include <vector>

#include "ops/ops.h"

namespace saltus::titans {

/// A layer whose state is a network trained as the sequence passes (Sun et al. 2024, arXiv 2407.04620):
///   f(x) = x + LN(net(x)),  net(x) = x W + b, or GELU(x W_1 + b_1) W_2 + b_2;  loss |LN(net(k)) - (v - k)|^2 / 2
/// One step of gradient descent for every `chunk` tokens, and token i of a chunk reads the weights after the steps of
/// tokens j <= i,
///   W_i = W - scale_i sum_{j <= i} rate_j dloss_j/dW, out_i = f(q_i; W_i),
/// with all gradients at the chunk's first weights. LN's gain and bias are trained with the model, not by the sequence.
struct TttLayer {
  Var W, b;  // [row, in, out], [row, 1, out]
};

struct TttInputs {
  Var q, k, v;     // [row, position, d]
  Var rate;        // [row, position], > 0
  Var scale;       // [chunk]: about 1 / i for the i-th token of a chunk, learned; cut off at 0
  Var gain, bias;  // [row, 1, d], of the LayerNorm inside
};

struct TttOutput {
  Var out;                      // [row, position, d]
  std::vector<TttLayer> state;  // after the last token
};

/// One or two layers. The inner gradient is in closed form; tests hold it to grad().
TttOutput ttt(const TttInputs& in, std::vector<TttLayer> state, std::int64_t chunk);

}  // namespace saltus::titans
