#pragma once
#include <cstdint>

namespace saltus {

/// How a query weighs its L context columns by their scores s: p_l = f(s_l) / sum_j f(s_j) with
///   softmax   f = exp(s)
///   one_plus  f = 1 + s
///   relu      f = max(1 + s, 0)
///   tanh      f = 1 + tanh(s)
///   sigmoid   f = 1 / (1 + exp(-s))
/// or linear: p_l = s_l / length, `length` a constant.
/// The sums of one_plus, relu, tanh and sigmoid can come near 0 or below it. One that is under 0.01 L is replaced by
/// 0.01 L, a constant that no gradient flows through.
enum class ContextWeights { softmax, one_plus, relu, tanh, sigmoid, linear };

namespace kernels {

/// Sizes and operands of ops/ops.h's query_attention; arrays are contiguous and row-major.
struct QueryAttention {
  ContextWeights weights;
  std::int64_t batch, heads, features, context, outputs;  // B, H, D, L, N
  float least_norm;                                       // 0.01 L; for linear weights the norm itself
  const float* tokens;                                    // [B, D, L+1]
  const float* KQ;                                        // [H, D, D]
  const float* OV;                                        // [H, N, D]
};

/// y [B, N]. A sample's numbers do not depend on the samples beside it.
void query_attention(const QueryAttention& q, float* y);
/// From dy [B, N]: dKQ [H, D, D] and dOV [H, N, D], summed over the batch in an order that one instruction set fixes.
void query_attention_grad(const QueryAttention& q, const float* dy, float* dKQ, float* dOV);

}  // namespace kernels
}  // namespace saltus
