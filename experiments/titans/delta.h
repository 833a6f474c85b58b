#pragma once
#include "experiments/titans/linear_attention.h"

namespace saltus::titans {

/// The delta rule (Schlag et al. 2021; in parallel over tokens: Yang et al. 2024, arXiv 2406.06484), and with a decay
/// its gated form (arXiv 2412.06464):
///   S_t = a_t (I - beta_t k_t' k_t) S_{t-1} + beta_t k_t' v_t,  out_t = q_t S_t.
/// q, k, v [row, position, d], state [row, d, d]; beta and a [row, position], an empty a means 1. Exact for any
/// `chunk`: a chunk's writes u_t = beta_t (v_t - k_t a_t S_{t-1}) solve one unit lower triangular system.
MatrixRuleOutput delta_rule(Var q, Var k, Var v, Var beta, Var a, Var state, std::int64_t chunk);

}  // namespace saltus::titans
