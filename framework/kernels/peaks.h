#pragma once
#include <cstddef>

namespace saltus::kernels {

/// What this machine can do on the calling thread, measured: the best of several short runs each, so that what else
/// runs disturbs little. All of them together take some 0.3 s, most of it for an array that caches do not hold.

/// Operations a second of fused multiply-adds on registers alone, in the widest vectors that kernels use.
double multiply_add_peak();

/// Bytes a second, read and written together, of copying an array of `bytes` again and again.
double copy_bandwidth(std::size_t bytes);

/// Operations a second of the best of a few square products by gemm().
double product_peak();

/// Bytes of this machine's second-level cache, 1 MiB when it does not say.
std::size_t second_level_cache();

}  // namespace saltus::kernels
