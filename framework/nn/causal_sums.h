#pragma once
#include "ops/ops.h"

namespace saltus {

/// q_i . k_j, [..., position, width] both, for j <= i: [..., position, position]; what is above the diagonal is not to
/// be read.
Var causal_scores(Var q, Var k);
/// sum over j of pattern_ij x_j for a pattern [..., position, position] that is 0 above the diagonal; x [..., position,
/// width].
Var causal_sums(Var pattern, Var x);

}  // namespace saltus
