#pragma once
#include <cstdint>

namespace saltus::kernels {

/// Sizes and operands of ops/ops.h's embedded_gru; arrays are contiguous and row-major.
struct EmbeddedGru {
  std::int64_t batch, steps, rows, inputs, units;  // B, T, V, E, h
  const float* table;                              // [V, E]
  const std::int32_t* ids;                         // [B, T]; what they are in the padding is not read
  const float* mask;                               // [B, T]: ones, then zeros
  struct Direction {
    const float *W, *U, *b, *c;  // as those of kernels::Gru
  } directions[2];               // forwards, backwards
};

/// states [B, T, 2h], forwards before backwards, and gates [2, T, B, 4, h], as kernels::gru makes them of the table's
/// rows. x W is a function of the word: each word that the batch has is multiplied once.
void embedded_gru(const EmbeddedGru& g, float* states, float* gates);

/// Cotangents of the operands, shaped as they are.
struct EmbeddedGruGrad {
  float* dtable;  // rows of words that the batch does not have are 0
  struct Direction {
    float *dW, *dU, *db, *dc;
  } directions[2];
};
/// From dy [B, T, 2h], the cotangent of the states; what dy holds in the padding is not read.
void embedded_gru_grad(const EmbeddedGru& g, const float* states, const float* gates, const float* dy,
                       const EmbeddedGruGrad& to);

}  // namespace saltus::kernels
