#pragma once
#include <span>

namespace saltus {

/// Into `out` [state]: the distribution that the chain with transition matrix P [from, to], row-major, leaves as it is.
/// By Grassmann, Taksar and Heyman's elimination (1985), which subtracts nothing: every entry is right to rounding,
/// however small. P is overwritten. Every state must be able to reach every other.
void stationary_distribution(std::span<double> P, std::span<double> out);

/// Scales the rows and columns of a positive square matrix to sums of 1 (Sinkhorn 1964): rows to rounding, columns to
/// 1e-9 or as near as `sweeps` come. `columns`, one number a column, receives their sums.
void make_doubly_stochastic(std::span<double> P, std::span<double> columns, int sweeps = 1000);

}  // namespace saltus
