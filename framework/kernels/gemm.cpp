#include "kernels/gemm.h"

#include <dnnl.h>
#include <fmt/core.h>
#include <omp.h>

#include <string>

namespace saltus::kernels {
namespace {

// dnnl_sgemm splits its work by OpenMP's thread count, and its result with it; one thread, set once for each calling
// thread.
void use_one_openmp_thread() {
  thread_local const bool once = [] {
    omp_set_num_threads(1);
    return true;
  }();
  (void)once;
}

// small_gemm reads B as it lies. While that stays in the second-level cache, or C has few columns, it is up to 8 times
// as fast as dnnl_sgemm and at worst a tenth slower, whatever m is, with AVX-512 and with AVX2. (Of m = 16..7168, n
// = 2..768 and k = 2..7168 only k = 2 and 3 with m > 1000 fare worse: 3.3 us in place of 2.4 for [3200, 16, 3].)
constexpr std::int64_t most_of_b = 65'536, few_columns = 8;

}  // namespace

void gemm(const Gemm& g) {
  if (g.n * g.k <= most_of_b || g.n <= few_columns) return small_gemm(g);
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
