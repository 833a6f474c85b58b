#pragma once
#include "ops/ops.h"

namespace saltus {

/// Convolutions of every channel with weights of its own, w [..., width, channel], batched with broadcasting. The three
/// are one another's adjoints.
Var depthwise_conv(Var x, Var w);  ///< x [..., n + width - 1, channel] -> [..., n, channel]: y_t = sum_j w_j x_{t + j}
Var depthwise_conv_transposed(Var y, Var w);  ///< y [..., n, channel] -> x: x_s = sum_j w_j y_{s - j}
Var depthwise_conv_taps(Var x, Var y);        ///< -> w: w_j = sum_t y_t x_{t + j}

}  // namespace saltus
