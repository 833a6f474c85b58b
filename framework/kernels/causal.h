#pragma once
#include <cstdint>

namespace saltus::kernels {

/// Products over the lower triangle of a square matrix [n, n], whose row i has entries j <= i: what is above the diagonal is neither read nor
/// multiplied, about half of the work. Rows of x and y have `width` elements; all arrays are contiguous. For sequences that fit into the
/// first cache, as those of minimal models do. A matrix's numbers do not depend on those beside it.
struct CausalProduct {
  std::int64_t n, width;
};

/// s_ij = x_i . y_j for j <= i, else 0.
void causal_dots(const CausalProduct& size, const float* x, const float* y, float* s);
/// y_i = sum over j <= i of s_ij x_j.
void causal_apply(const CausalProduct& size, const float* s, const float* x, float* y);
/// x_j = sum over i >= j of s_ij y_i: causal_apply with s transposed.
void causal_apply_transposed(const CausalProduct& size, const float* s, const float* y, float* x);

}  // namespace saltus::kernels
