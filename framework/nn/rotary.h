#pragma once
#include "ops/ops.h"

namespace saltus {

/// Rotary positions (Su et al. 2021, arXiv 2104.09864, section 3.2.2): the pair (x_i, x_{i + d/2}) of the vector at
/// position p is turned by the angle p 10000^(-2i/d), so that the product of two turned vectors depends on the distance
/// between their positions alone. x [..., position, d_head] -> the same shape; the first of its positions is `first`.
/// Throws when d_head is odd.
Var rotary(Var x, std::int64_t first = 0);

}  // namespace saltus
