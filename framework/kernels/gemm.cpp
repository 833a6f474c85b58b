#include "kernels/gemm.h"

#include <dnnl.h>
#include <fmt/core.h>
#include <omp.h>

#include <string>

namespace saltus::kernels {
namespace {

// dnnl_sgemm splits its work by OpenMP's thread count, and its result with it; one thread, set once for each calling thread.
void use_one_openmp_thread() {
  thread_local const bool once = [] {
    omp_set_num_threads(1);
    return true;
  }();
  (void)once;
}

// Below this many multiply-adds a call of dnnl_sgemm costs more than the product (measured: tests/kernels, `saltus bench`).
constexpr std::int64_t small_product = 200'000;

}  // namespace

void gemm(const Gemm& g) {
  if (g.m * g.n * g.k < small_product) return small_gemm(g);
  use_one_openmp_thread();
  dnnl_sgemm(g.trans_a ? 'T' : 'N', g.trans_b ? 'T' : 'N', g.m, g.n, g.k, 1.0f, g.a, g.lda, g.b, g.ldb,
             g.accumulate ? 1.0f : 0.0f, g.c, g.ldc);
}

const char* onednn_version() {
  static const std::string version =
      fmt::format("{}.{}.{}", dnnl_version()->major, dnnl_version()->minor, dnnl_version()->patch);
  return version.c_str();
}

}  // namespace saltus::kernels
