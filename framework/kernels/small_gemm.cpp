#include "kernels/gemm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/small_gemm.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "kernels/blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr Tag tag;

// ---- C's rows are sums of B's rows, scaled by elements of A. Blocks of C stay in registers over k.

constexpr bool many_registers = hn::MaxLanes(tag) >= 16;  // 32 of AVX-512; 16 of the others
constexpr std::int64_t most_vectors = 4;
// Vectors in a block of columns of m rows.
constexpr std::int64_t block_vectors(std::int64_t m) { return many_registers || m <= 2 ? most_vectors : 2; }

// Rows of a block of that many vectors: enough sums to keep the adders busy, no more than there are registers.
constexpr int block_rows(int vectors) {
  if (!many_registers) return vectors == 1 ? 8 : vectors == 2 ? 6 : 2;
  return vectors == 4 ? 5 : vectors == 3 ? 6 : 8;
}
constexpr std::int64_t block_k = 128;  // rows of B that stay in the first-level cache while those of A go by

/// What a block of columns of C adds: op(A)'s element (i, p) is a[i * row_a + p * col_a]; `last` masks the last vector.
struct Columns {
  const float* a;
  std::int64_t row_a, col_a;
  const float* b;
  std::int64_t ldb, k;
  float* c;
  std::int64_t ldc;
  bool accumulate;
  hn::Mask<Tag> last;
};

// The last vector of a row: all of it, or what the mask leaves. AVX2's masked loads and stores are slow, and its masks
// take registers.
template <bool whole>
HWY_INLINE Vec load_last(hn::Mask<Tag> last, const float* from) {
  return whole ? hn::LoadU(tag, from) : hn::MaskedLoad(last, tag, from);
}
template <bool whole>
HWY_INLINE void store_last(hn::Mask<Tag> last, Vec v, float* to) {
  if (whole) return hn::StoreU(v, tag, to);
  hn::BlendedStore(v, last, tag, to);
}

template <int rows, int vectors, bool whole>
HWY_NOINLINE void tile(const Columns& g, std::int64_t i) {
  // Copies, since a store to C could be one to g for all that the compiler knows.
  const std::int64_t lanes = hn::MaxLanes(tag), k = g.k, row_a = g.row_a, col_a = g.col_a, ldb = g.ldb, ldc = g.ldc;
  const hn::Mask<Tag> last = g.last;
  const float *a = g.a + i * row_a, *b = g.b;
  float* const c = g.c + i * ldc;
  Vec acc[rows][vectors];
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    SALTUS_UNROLL for (int v = 0; v < vectors; ++v) acc[r][v] = hn::Zero(tag);
  }
  if (g.accumulate) {
    SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
      const float* from = c + r * ldc;
      SALTUS_UNROLL for (int v = 0; v + 1 < vectors; ++v) acc[r][v] = hn::LoadU(tag, from + v * lanes);
      acc[r][vectors - 1] = load_last<whole>(last, from + (vectors - 1) * lanes);
    }
  }
  for (std::int64_t p = 0; p < k; ++p, b += ldb, a += col_a) {
    Vec row_b[vectors];
    SALTUS_UNROLL for (int v = 0; v + 1 < vectors; ++v) row_b[v] = hn::LoadU(tag, b + v * lanes);
    row_b[vectors - 1] = load_last<whole>(last, b + (vectors - 1) * lanes);
    SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
      const Vec x = hn::Set(tag, a[r * row_a]);
      SALTUS_UNROLL for (int v = 0; v < vectors; ++v) acc[r][v] = hn::MulAdd(x, row_b[v], acc[r][v]);
    }
  }
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    float* to = c + r * ldc;
    SALTUS_UNROLL for (int v = 0; v + 1 < vectors; ++v) hn::StoreU(acc[r][v], tag, to + v * lanes);
    store_last<whole>(last, acc[r][vectors - 1], to + (vectors - 1) * lanes);
  }
}

template <int rows, int vectors, bool whole>
HWY_INLINE void tile_of(std::int64_t n, const Columns& g, std::int64_t i) {
  if (n == rows) return tile<rows, vectors, whole>(g, i);
  if constexpr (rows > 1) tile_of<rows - 1, vectors, whole>(n, g, i);
}

// m rows in as few blocks as they fit in, all of about the same height: one row alone would leave most of the adders
// idle.
template <int vectors, bool whole>
void all_rows(const Columns& g, std::int64_t m) {
  constexpr std::int64_t most = block_rows(vectors);
  if (m <= most) return m == 0 ? void() : tile_of<block_rows(vectors), vectors, whole>(m, g, 0);
  const std::int64_t blocks = (m + most - 1) / most, rows = m / blocks, higher = m - rows * blocks;
  std::int64_t i = 0;
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t n = rows + (block < higher ? 1 : 0);
    tile_of<block_rows(vectors), vectors, whole>(n, g, i);
    i += n;
  }
}

template <bool whole>
HWY_INLINE void all_rows_of(std::int64_t vectors, const Columns& g, std::int64_t m) {
  if (vectors == 4) return all_rows<4, whole>(g, m);
  if (vectors == 3) return all_rows<3, whole>(g, m);
  if (vectors == 2) return all_rows<2, whole>(g, m);
  all_rows<1, whole>(g, m);
}

// to[p * width + j] = b[j * ldb + p] for j < n, p < k; columns from n up to a whole vector repeat the last one.
void transpose_panel(const float* b, std::int64_t ldb, std::int64_t n, std::int64_t k, float* to, std::int64_t width) {
  constexpr std::int64_t lanes = hn::MaxLanes(tag);
  for (std::int64_t j = 0; j < n; j += lanes) {
    const float* rows[hn::MaxLanes(tag)];
    for (std::int64_t r = 0; r < lanes; ++r) rows[r] = b + std::min(j + r, n - 1) * ldb;
    transpose(rows, static_cast<std::size_t>(k), to + j, static_cast<std::size_t>(width));
  }
}

void by_rows(const Gemm& g) {
  constexpr std::int64_t lanes = hn::MaxLanes(tag);
  alignas(64) float transposed[block_k * most_vectors * lanes];
  const std::int64_t width = block_vectors(g.m) * lanes;
  const std::int64_t row_a = g.trans_a ? 1 : g.lda, col_a = g.trans_a ? g.lda : 1;
  for (std::int64_t j = 0; j < g.n; j += width) {
    const std::int64_t n = std::min(width, g.n - j), vectors = (n + lanes - 1) / lanes,
                       in_last = n - (vectors - 1) * lanes;
    const auto last = hn::FirstN(tag, static_cast<std::size_t>(in_last));
    std::int64_t p = 0;
    do {
      const std::int64_t k = std::min(block_k, g.k - p);
      if (g.trans_b) transpose_panel(g.b + j * g.ldb + p, g.ldb, n, k, transposed, vectors * lanes);
      const Columns columns{.a = g.a + p * col_a,
                            .row_a = row_a,
                            .col_a = col_a,
                            .b = g.trans_b ? transposed : g.b + p * g.ldb + j,
                            .ldb = g.trans_b ? vectors * lanes : g.ldb,
                            .k = k,
                            .c = g.c + j,
                            .ldc = g.ldc,
                            .accumulate = g.accumulate || p > 0,
                            .last = last};
      in_last == lanes ? all_rows_of<true>(vectors, columns, g.m) : all_rows_of<false>(vectors, columns, g.m);
      p += block_k;
    } while (p < g.k);
  }
}

// ---- C's elements are dot products of rows of A and B: for B transposed, where its rows are too few or too long to be
// worth turning.

constexpr int dot_rows_at_once = many_registers ? 4 : 2;

template <int rows, int cols>
void dots(const Gemm& g, std::int64_t i, std::int64_t j) {
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  Vec acc[rows][4];
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) { SALTUS_UNROLL for (int c = 0; c < 4; ++c) acc[r][c] = hn::Zero(tag); }
  const float* a = g.a + i * g.lda;
  const float* b = g.b + j * g.ldb;
  const auto add = [&](std::int64_t p, const auto& load) HWY_ATTR {
    Vec row_b[cols];
    SALTUS_UNROLL for (int c = 0; c < cols; ++c) row_b[c] = load(b + c * g.ldb + p);
    SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
      const Vec x = load(a + r * g.lda + p);
      SALTUS_UNROLL for (int c = 0; c < cols; ++c) acc[r][c] = hn::MulAdd(x, row_b[c], acc[r][c]);
    }
  };
  std::int64_t p = 0;
  for (; p + lanes <= g.k; p += lanes) add(p, [](const float* from) HWY_ATTR { return hn::LoadU(tag, from); });
  if (p < g.k) {
    const auto rest = hn::FirstN(tag, static_cast<std::size_t>(g.k - p));
    add(p, [rest](const float* from) HWY_ATTR { return hn::MaskedLoad(rest, tag, from); });
  }
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    float sums[4];
    store_lane_sums(acc[r], sums);
    float* to = g.c + (i + r) * g.ldc + j;
    SALTUS_UNROLL for (int c = 0; c < cols; ++c) to[c] = g.accumulate ? to[c] + sums[c] : sums[c];
  }
}

template <int rows>
void dot_rows(const Gemm& g, std::int64_t i) {
  std::int64_t j = 0;
  for (; j + 4 <= g.n; j += 4) dots<rows, 4>(g, i, j);
  if (g.n - j == 3) dots<rows, 3>(g, i, j);
  if (g.n - j == 2) dots<rows, 2>(g, i, j);
  if (g.n - j == 1) dots<rows, 1>(g, i, j);
}

void by_elements(const Gemm& g) {
  std::int64_t i = 0;
  for (; i + dot_rows_at_once <= g.m; i += dot_rows_at_once) dot_rows<dot_rows_at_once>(g, i);
  if constexpr (dot_rows_at_once == 4) {  // two or three rows that are left read B once
    if (g.m - i == 3) return dot_rows<3>(g, i);
    if (g.m - i == 2) return dot_rows<2>(g, i);
  }
  for (; i < g.m; ++i) dot_rows<1>(g, i);
}

// ---- Few columns: rows of C would be part of one vector, so that most lanes idle.

constexpr std::int64_t vectors_of(std::int64_t n) { return (n + hn::MaxLanes(tag) - 1) / hn::MaxLanes(tag); }

constexpr std::int64_t most_turned = 2048;  // elements of B

// By elements, with B turned first.
void by_elements_of_turned(const Gemm& g) {
  alignas(64) float turned[most_turned];
  Gemm t = g;
  t.trans_b = true, t.b = turned, t.ldb = vectors_of(g.k) * hn::MaxLanes(tag);
  transpose_panel(g.b, g.ldb, g.k, g.n, turned, t.ldb);
  by_elements(t);
}

// A transposed: C' = B' A by rows, which are C's columns.
void by_columns(const Gemm& g) {
  constexpr std::int64_t width = most_vectors * hn::MaxLanes(tag);
  alignas(64) float c[hn::MaxLanes(tag) * width];
  for (std::int64_t first = 0; first < g.m; first += width) {
    const std::int64_t m = std::min(width, g.m - first);
    by_rows({.trans_a = true,
             .m = g.n,
             .n = m,
             .k = g.k,
             .a = g.b,
             .lda = g.ldb,
             .b = g.a + first,
             .ldb = g.lda,
             .c = c,
             .ldc = width});
    for (std::int64_t i = 0; i < m; ++i) {
      float* to = g.c + (first + i) * g.ldc;
      for (std::int64_t j = 0; j < g.n; ++j) to[j] = g.accumulate ? to[j] + c[j * width + i] : c[j * width + i];
    }
  }
}

// ---- Which way is cheapest, in quarters of a cycle: fitted to times of [1..7168, 2..768, 4..7168].

std::int64_t cost_by_elements(const Gemm& g) {
  const std::int64_t turning = g.trans_b ? 0 : 4 * g.k * g.n;
  return g.m * g.n * (vectors_of(g.k) * (many_registers ? 2 : 3) + 6) + turning;
}
std::int64_t cost_by_rows(const Gemm& g) {
  const std::int64_t turning = g.trans_b ? hn::MaxLanes(tag) : 0;
  return vectors_of(g.n) * g.k * (2 * g.m + turning) + (g.trans_b ? 128 : 0);
}
std::int64_t cost_by_columns(const Gemm& g) {
  return vectors_of(g.m) * g.k * std::max<std::int64_t>(2 * g.n, 16 / block_vectors(g.n)) + 8 * g.m * g.n;
}

void small_gemm_impl(const Gemm& g) {
  if (!g.trans_b && g.n >= static_cast<std::int64_t>(hn::MaxLanes(tag))) return by_rows(g);
  if (g.trans_a && !g.trans_b && cost_by_columns(g) < cost_by_rows(g)) return by_columns(g);
  const bool can_turn = g.trans_b || vectors_of(g.k) * hn::MaxLanes(tag) * g.n <= most_turned;
  if (g.trans_a || !can_turn || cost_by_rows(g) <= cost_by_elements(g)) return by_rows(g);
  g.trans_b ? by_elements(g) : by_elements_of_turned(g);
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
HWY_EXPORT(small_gemm_impl);
void small_gemm(const Gemm& g) { HWY_DYNAMIC_DISPATCH(small_gemm_impl)(g); }
}  // namespace saltus::kernels
#endif  // HWY_ONCE
