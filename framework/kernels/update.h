#pragma once
#include <cstddef>
#include <span>

namespace saltus::kernels {

/// The loops over a flat parameter block that training ends every step with. Element i of every array depends on element i of the
/// others alone, so a block may be cut anywhere and the parts run on any threads: same bits.

/// out[i] = scale * (((parts[0][begin + i] + parts[1][begin + i]) + ...), for i < n.
void reduce(std::span<const float* const> parts, std::size_t begin, float scale, float* out, std::size_t n);

/// theta = keep theta - rate g
void sgd_update(float* theta, const float* g, std::size_t n, float keep, float rate);
/// m = beta m + g; theta = keep theta - rate m
void momentum_update(float* theta, float* m, const float* g, std::size_t n, float keep, float rate, float beta);

struct AdamRates {
  float keep;         // theta's decay factor of this step
  float rate;         // learning rate / (1 - beta1^t)
  float beta1, rest1;  // rest1 = 1 - beta1, in double before it is rounded: in float it would lose digits
  float beta2, rest2;
  float correction2;  // 1 / (1 - beta2^t)
  float epsilon;
};
/// m = beta1 m + rest1 g; v = beta2 v + rest2 g^2; theta = keep theta - rate m / (sqrt(v correction2) + epsilon)
void adam_update(float* theta, float* m, float* v, const float* g, std::size_t n, const AdamRates& rates);

/// The sum of squares of x[0..n) in double, in an order that depends on nothing but n.
double sum_of_squares(const float* x, std::size_t n);

}  // namespace saltus::kernels
