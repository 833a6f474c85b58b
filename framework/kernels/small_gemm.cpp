#include "kernels/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/small_gemm.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "kernels/blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr Tag tag;

// ---- B not transposed: C rows are sums of B rows, scaled by elements of A. Row blocks of C stay in registers over k.

// acc[i][v] += sum over p < k of a[i * row_a + p * col_a] * b[p * ldb + v * lanes..]
template <int rows, int vectors>
HWY_INLINE void add_terms(Vec (&acc)[rows][vectors], const float* a, std::int64_t row_a, std::int64_t col_a, const float* b, std::int64_t ldb,
                          std::int64_t k, hn::Mask<Tag> last) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  for (std::int64_t p = 0; p < k; ++p, b += ldb, a += col_a) {
    Vec row_b[vectors];
    SALTUS_UNROLL for (int v = 0; v + 1 < vectors; ++v) row_b[v] = hn::LoadU(tag, b + v * lanes);
    row_b[vectors - 1] = hn::MaskedLoad(last, tag, b + (vectors - 1) * lanes);
    SALTUS_UNROLL for (int i = 0; i < rows; ++i) {
      const Vec x = hn::Set(tag, a[i * row_a]);
      SALTUS_UNROLL for (int v = 0; v < vectors; ++v) acc[i][v] = hn::MulAdd(x, row_b[v], acc[i][v]);
    }
  }
}

// C[0..rows)[0..vectors * lanes): `last` masks the last vector. Element (i, p) of op(A) is a[i * row_a + p * col_a].
template <int rows, int vectors>
void tile(const float* a, std::int64_t row_a, std::int64_t col_a, const Gemm& g, std::int64_t j, float* c, hn::Mask<Tag> last) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  Vec acc[rows][vectors];
  SALTUS_UNROLL for (int i = 0; i < rows; ++i) {
    SALTUS_UNROLL for (int v = 0; v < vectors; ++v) acc[i][v] = hn::Zero(tag);
  }
  add_terms<rows, vectors>(acc, a, row_a, col_a, g.b + j, g.ldb, g.k, last);
  SALTUS_UNROLL for (int i = 0; i < rows; ++i) {
    float* to = c + i * g.ldc;
    SALTUS_UNROLL for (int v = 0; v + 1 < vectors; ++v, to += lanes)
      hn::StoreU(g.accumulate ? hn::Add(acc[i][v], hn::LoadU(tag, to)) : acc[i][v], tag, to);
    const Vec sum = g.accumulate ? hn::Add(acc[i][vectors - 1], hn::MaskedLoad(last, tag, to)) : acc[i][vectors - 1];
    hn::BlendedStore(sum, last, tag, to);
  }
}

template <int vectors>
void columns(const Gemm& g, std::int64_t j, hn::Mask<Tag> last) {
  const std::int64_t row_a = g.trans_a ? 1 : g.lda, col_a = g.trans_a ? g.lda : 1;
  std::int64_t i = 0;
  const auto a_at = [&] { return g.a + i * row_a; };
  const auto c_at = [&] { return g.c + i * g.ldc + j; };
  // One row alone leaves most of the adders idle: five rows at the end of 17.
  for (; i + 4 <= g.m && g.m - i != 5; i += 4) tile<4, vectors>(a_at(), row_a, col_a, g, j, c_at(), last);
  if (g.m - i == 5) return tile<5, vectors>(a_at(), row_a, col_a, g, j, c_at(), last);
  const float* a = a_at();
  float* c = c_at();
  if (g.m - i == 3) tile<3, vectors>(a, row_a, col_a, g, j, c, last);
  if (g.m - i == 2) tile<2, vectors>(a, row_a, col_a, g, j, c, last);
  if (g.m - i == 1) tile<1, vectors>(a, row_a, col_a, g, j, c, last);
}

void rows_of_b(const Gemm& g) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  for (std::int64_t j = 0; j < g.n; j += 4 * lanes) {
    const std::int64_t left = g.n - j, vectors = left >= 4 * lanes ? 4 : (left + lanes - 1) / lanes;
    const std::int64_t in_last = left >= 4 * lanes ? lanes : left - (vectors - 1) * lanes;
    const auto last = hn::FirstN(tag, static_cast<std::size_t>(in_last));
    if (vectors == 4) columns<4>(g, j, last);
    if (vectors == 3) columns<3>(g, j, last);
    if (vectors == 2) columns<2>(g, j, last);
    if (vectors == 1) columns<1>(g, j, last);
  }
}

// ---- B transposed: C elements are dot products of rows of A and B (A not transposed).

template <int rows, int cols>
void dots(const Gemm& g, std::int64_t i, std::int64_t j) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  Vec acc[rows][cols];
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    SALTUS_UNROLL for (int c = 0; c < cols; ++c) acc[r][c] = hn::Zero(tag);
  }
  const float* a = g.a + i * g.lda;
  const float* b = g.b + j * g.ldb;
  const auto add = [&](std::int64_t p, const auto& load) {
    Vec row_b[cols];
    SALTUS_UNROLL for (int c = 0; c < cols; ++c) row_b[c] = load(b + c * g.ldb + p);
    SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
      const Vec x = load(a + r * g.lda + p);
      SALTUS_UNROLL for (int c = 0; c < cols; ++c) acc[r][c] = hn::MulAdd(x, row_b[c], acc[r][c]);
    }
  };
  std::int64_t p = 0;
  for (; p + lanes <= g.k; p += lanes) add(p, [](const float* from) { return hn::LoadU(tag, from); });
  if (p < g.k) {
    const auto rest = hn::FirstN(tag, static_cast<std::size_t>(g.k - p));
    add(p, [rest](const float* from) { return hn::MaskedLoad(rest, tag, from); });
  }
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    float sums[cols];
    if constexpr (cols == 4) {
      store_lane_sums(acc[r], sums);
    } else {
      for (int c = 0; c < cols; ++c) sums[c] = hn::GetLane(hn::SumOfLanes(tag, acc[r][c]));
    }
    float* to = g.c + (i + r) * g.ldc + j;
    SALTUS_UNROLL for (int c = 0; c < cols; ++c) to[c] = g.accumulate ? to[c] + sums[c] : sums[c];
  }
}

template <int rows>
void dot_rows(const Gemm& g, std::int64_t i) {
  std::int64_t j = 0;
  for (; j + 4 <= g.n; j += 4) dots<rows, 4>(g, i, j);
  for (; j < g.n; ++j) dots<rows, 1>(g, i, j);
}

void rows_of_bt(const Gemm& g) {
  std::int64_t i = 0;
  for (; i + 4 <= g.m; i += 4) dot_rows<4>(g, i);
  for (; i < g.m; ++i) dot_rows<1>(g, i);
}

// Both transposed does not occur in any hot path: plain loops.
void both_transposed(const Gemm& g) {
  for (std::int64_t i = 0; i < g.m; ++i) {
    for (std::int64_t j = 0; j < g.n; ++j) {
      float sum = g.accumulate ? g.c[i * g.ldc + j] : 0.0f;
      for (std::int64_t p = 0; p < g.k; ++p) sum += g.a[p * g.lda + i] * g.b[j * g.ldb + p];
      g.c[i * g.ldc + j] = sum;
    }
  }
}

void small_gemm_impl(const Gemm& g) {
  if (!g.trans_b) return rows_of_b(g);
  if (!g.trans_a) return rows_of_bt(g);
  both_transposed(g);
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
HWY_EXPORT(small_gemm_impl);
void small_gemm(const Gemm& g) { HWY_DYNAMIC_DISPATCH(small_gemm_impl)(g); }
}  // namespace saltus::kernels
#endif  // HWY_ONCE
