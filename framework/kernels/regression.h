#pragma once
#include <cstddef>

namespace saltus::kernels {

/// y[i] = scale base[i] + sum_r weights[r] rows[r stride + i] for i < n, over r < n_rows in order. Each product is
/// rounded before it is added, so the bits are the same on every instruction set. `y` may be `base`; else it overlaps
/// nothing.
void combine_rows(const float* base, float scale, const float* rows, std::size_t stride, std::size_t n_rows,
                  const float* weights, float* y, std::size_t n);

}  // namespace saltus::kernels
