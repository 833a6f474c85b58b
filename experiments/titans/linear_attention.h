#pragma once
#include <cstdint>

#include "ops/ops.h"

namespace saltus::titans {

/// What a rule with a matrix for a state makes of a sequence.
struct MatrixRuleOutput {
  Var out;    // [row, position, d]
  Var state;  // [row, d, d], after the last token
};

/// Linear attention (Katharopoulos et al. 2020; eq 4-5 of Titans, arXiv 2501.00663) without a normaliser, which a norm
/// after it replaces:
///   S_t = S_{t-1} + k_t' v_t,  out_t = q_t S_t.
/// q, k, v [row, position, d], state [row, d, d]. Chunks of `chunk` tokens are products of matrices; the result does
/// not depend on it.
MatrixRuleOutput linear_attention(Var q, Var k, Var v, Var state, std::int64_t chunk);

}  // namespace saltus::titans
