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

/// Runs on the calling thread alone, so that its bits do not depend on the number of threads: products too small for oneDNN's set-up
/// cost by small_gemm, the others by dnnl_sgemm.
void gemm(const Gemm& g);

/// Register-blocked product for sizes of one attention head on one sequence (tens by tens by a hundred).
void small_gemm(const Gemm& g);

/// oneDNN's version, for provenance: "2.6.3".
const char* onednn_version();

}  // namespace saltus::kernels
