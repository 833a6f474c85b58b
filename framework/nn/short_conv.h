#pragma once
#include <string>

#include "nn/carry.h"
#include "ops/ops.h"

namespace saltus {

/// Causal convolution of every channel with its own weights:
///   y_t = sum_j weight[:, j] x_{t - (width - 1) + j},  x_t = 0 before the sequence;
/// the last weight meets the token itself, as in PyTorch's Conv1d. x [batch, position, channel], weight [channel,
/// width] -> [batch, position, channel]. Carries the last width - 1 inputs, [batch, width - 1, channel], as `name`.
Var short_conv(Var x, Var weight, Carry& carry, const std::string& name);

}  // namespace saltus
