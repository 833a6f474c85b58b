#pragma once
#include <cstddef>
#include <cstdint>

namespace saltus::kernels {

/// Elementwise loops over contiguous f32 arrays, in the widest vectors the processor has (chosen at run time). Input and output may
/// be the same array. Element i of the output depends on element i of the inputs alone, wherever it stands in the array, so results
/// do not depend on how an array is cut.

void affine(const float* x, float* y, std::size_t n, float scale, float shift);  ///< y = scale x + shift
void exp(const float* x, float* y, std::size_t n);
void log(const float* x, float* y, std::size_t n);
void sqrt(const float* x, float* y, std::size_t n);
void tanh(const float* x, float* y, std::size_t n);
void sigmoid(const float* x, float* y, std::size_t n);
void relu(const float* x, float* y, std::size_t n);
void silu(const float* x, float* y, std::size_t n);       ///< y = x sigmoid(x)
void silu_grad(const float* x, float* y, std::size_t n);  ///< y = s (1 + x (1 - s)), s = sigmoid(x)

/// An operand of a two-operand loop: an array (stride 1) or one value for all elements (stride 0).
struct Lane {
  const float* data;
  std::size_t stride;
};
using BinaryLoop = void (*)(Lane a, Lane b, float* y, std::size_t n);
void add(Lane a, Lane b, float* y, std::size_t n);
void sub(Lane a, Lane b, float* y, std::size_t n);
void mul(Lane a, Lane b, float* y, std::size_t n);
void div(Lane a, Lane b, float* y, std::size_t n);
void gate(Lane a, Lane b, float* y, std::size_t n);  ///< y = a where b > 0, else 0

/// y[0..n) += x[0..n)
void accumulate(const float* x, float* y, std::size_t n);
/// The sum of x[0..n), in vector lanes that are added at the end: the order is fixed for one instruction set.
float sum(const float* x, std::size_t n);

/// Row-wise over a [rows, n] array. Row r takes part with its first `n` elements, or, with causal_period > 0, with its first
/// n - causal_period + 1 + r % causal_period (a causal mask over blocks of causal_period query rows); masked outputs are 0.
void softmax_rows(const float* x, float* y, std::size_t rows, std::size_t n, std::size_t causal_period);
/// g = y (dy - y . dy) for each row of n.
void softmax_grad_rows(const float* y, const float* dy, float* g, std::size_t rows, std::size_t n);
void log_softmax_rows(const float* x, float* y, std::size_t rows, std::size_t n);
/// y [rows] = log sum_j exp(x[r, j]) - x[r, labels[r]] for logits x [rows, n].
void cross_entropy_rows(const float* x, const std::int32_t* labels, float* y, std::size_t rows, std::size_t n);

/// y = x / sqrt(mean of x^2 + epsilon) * gain[n], for each row of n.
void rms_norm_rows(const float* x, const float* gain, float* y, std::size_t rows, std::size_t n, float epsilon);

}  // namespace saltus::kernels
