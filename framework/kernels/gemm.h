#pragma once
#include <cstdint>

namespace saltus::kernels {

/// One matrix product of row-major f32 matrices: C [m, n] = op(A) op(B) (+ C). op(A) is [m, k]: A itself, or the transpose of a
/// [k, m] array; likewise op(B) [k, n]. `lda`, `ldb`, `ldc` are the distances between rows of the arrays as stored.
struct Gemm {
  bool trans_a = false, trans_b = false;
  std::int64_t m = 0, n = 0, k = 0;
  const float* a = nullptr;
  std::int64_t lda = 0;
  const float* b = nullptr;
  std::int64_t ldb = 0;
  float* c = nullptr;
  std::int64_t ldc = 0;
  bool accumulate = false;  // add to C instead of overwriting it
};

/// Runs on the calling thread alone, so that its bits do not depend on the number of threads: by small_gemm while B is
/// small, else by dnnl_sgemm, whatever m is.
void gemm(const Gemm& g);

/// Register-blocked product that reads A and B as they lie, for a B that fits the cache: k by n of up to some 60,000
/// elements.
void small_gemm(const Gemm& g);

/// oneDNN's version, for provenance: "2.6.3".
const char* onednn_version();

}  // namespace saltus::kernels
