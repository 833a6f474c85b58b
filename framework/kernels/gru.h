#pragma once
#include <cstdint>

namespace saltus::kernels {

/// Sizes and operands of ops/ops.h's gru; arrays are contiguous and row-major.
struct Gru {
  bool reverse;
  std::int64_t batch, steps, inputs, units;  // B, T, E, h
  const float* x;                            // [B, T, E]
  const float* W;                            // [E, 3h]: r, z, n
  const float* U;                            // [h, 3h]
  const float* b;                            // [3h], beside x W
  const float* c;                            // [3h], beside h U
  const float* mask;                         // [B, T]: ones, then zeros
};

/// states [B, T, h] and gates [T, B, 4, h]: r, z, n and q = h U_n + c_n, what the way back needs. Both are 0 in the
/// padding, which costs its zeros and nothing else. A NaN or an infinity on the way into a gate makes the state NaN.
void gru(const Gru& g, float* states, float* gates);

/// Cotangents of the operands, shaped as they are.
struct GruGrad {
  float *dx, *dW, *dU, *db, *dc;
};
/// From dy [B, T, h], the cotangent of the states; what dy holds in the padding is not read.
void gru_grad(const Gru& g, const float* states, const float* gates, const float* dy, const GruGrad& to);

}  // namespace saltus::kernels
