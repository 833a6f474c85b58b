#include "kernels/causal.h"

#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/causal.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include "kernels/blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr Tag tag;

constexpr bool many_registers = hn::MaxLanes(tag) >= 16;  // 32 of AVX-512; 16 of the others
// Rows are taken four at a time, and five at the end of 17, where one alone would leave most of the adders idle.
constexpr std::int64_t block = 4;
std::int64_t rows_of_block(std::int64_t left) { return left == block + 1 ? left : left < block ? left : block; }
// Vectors of each row that are summed at a time: with five rows as many sums as there are registers for.
constexpr int most_vectors = many_registers ? 4 : 2;
// Rows of dot products with four others at a time, likewise.
std::int64_t rows_of_dots(std::int64_t left) { return many_registers ? rows_of_block(left) : left < 2 ? left : 2; }

// Calls f with the number of rows as a constant, for 1 to 5 of them.
template <class F>
void with_rows(std::int64_t rows, const F& f) {
  if (rows == 5) f(std::integral_constant<int, 5>());
  if (rows == 4) f(std::integral_constant<int, 4>());
  if (rows == 3) f(std::integral_constant<int, 3>());
  if (rows == 2) f(std::integral_constant<int, 2>());
  if (rows == 1) f(std::integral_constant<int, 1>());
}

// ---- Sums of rows, scaled by elements of s: blocks of `rows` results stay in registers while the sum goes on.

// acc[r] += sum over p < terms of a[r * row_a + p * col_a] * x[p * width..]
template <int rows, int vectors>
HWY_INLINE void add_terms(Vec (&acc)[rows][vectors], const float* a, std::int64_t row_a, std::int64_t col_a, const float* x, std::int64_t width,
                          std::int64_t terms, hn::Mask<Tag> last) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  for (std::int64_t p = 0; p < terms; ++p, x += width, a += col_a) {
    Vec row[vectors];
    SALTUS_UNROLL for (int v = 0; v + 1 < vectors; ++v) row[v] = hn::LoadU(tag, x + v * lanes);
    row[vectors - 1] = hn::MaskedLoad(last, tag, x + (vectors - 1) * lanes);
    SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
      const Vec scale = hn::Set(tag, a[r * row_a]);
      SALTUS_UNROLL for (int v = 0; v < vectors; ++v) acc[r][v] = hn::MulAdd(scale, row[v], acc[r][v]);
    }
  }
}

// One block: terms of whole columns of s, then the block on the diagonal, of which `corner` holds the half that counts and zeros.
struct Block {
  const float* whole;  // s at the block's rows and its first whole column
  std::int64_t row_s, col_s, terms;
  const float* x_whole;
  const float* x_corner;
  float* out;
};

template <int rows, int vectors>
void apply_columns(const Block& b, const float* corner, std::int64_t width, std::int64_t at, hn::Mask<Tag> last) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  Vec acc[rows][vectors];
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    SALTUS_UNROLL for (int v = 0; v < vectors; ++v) acc[r][v] = hn::Zero(tag);
  }
  add_terms<rows, vectors>(acc, b.whole, b.row_s, b.col_s, b.x_whole + at, width, b.terms, last);
  add_terms<rows, vectors>(acc, corner, rows, 1, b.x_corner + at, width, rows, last);
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    float* to = b.out + r * width + at;
    SALTUS_UNROLL for (int v = 0; v + 1 < vectors; ++v) hn::StoreU(acc[r][v], tag, to + v * lanes);
    hn::BlendedStore(acc[r][vectors - 1], last, tag, to + (vectors - 1) * lanes);
  }
}

template <int rows>
void apply_block(const Block& b, const float* corner, const CausalProduct& p) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  for (std::int64_t at = 0; at < p.width; at += most_vectors * lanes) {
    const std::int64_t left = p.width - at,
                       vectors = left >= most_vectors * lanes ? most_vectors : (left + lanes - 1) / lanes;
    const std::int64_t in_last = left >= most_vectors * lanes ? lanes : left - (vectors - 1) * lanes;
    const auto last = hn::FirstN(tag, static_cast<std::size_t>(in_last));
    if constexpr (most_vectors == 4) {
      if (vectors == 4) apply_columns<rows, 4>(b, corner, p.width, at, last);
      if (vectors == 3) apply_columns<rows, 3>(b, corner, p.width, at, last);
    }
    if (vectors == 2) apply_columns<rows, 2>(b, corner, p.width, at, last);
    if (vectors == 1) apply_columns<rows, 1>(b, corner, p.width, at, last);
  }
}

void causal_apply_impl(const CausalProduct& p, const float* s, const float* x, float* y) {
  for (std::int64_t i = 0, rows = 0; i < p.n; i += rows) {
    rows = rows_of_block(p.n - i);
    with_rows(rows, [&](auto constant) {
      constexpr int count = constant;
      float corner[count * count];
      for (int r = 0; r < count; ++r) {
        for (int c = 0; c < count; ++c) corner[r * count + c] = c <= r ? s[(i + r) * p.n + i + c] : 0;
      }
      apply_block<count>({s + i * p.n, p.n, 1, i, x, x + i * p.width, y + i * p.width}, corner, p);
    });
  }
}

void causal_apply_transposed_impl(const CausalProduct& p, const float* s, const float* y, float* x) {
  for (std::int64_t j = 0, rows = 0; j < p.n; j += rows) {
    rows = rows_of_block(p.n - j);
    with_rows(rows, [&](auto constant) {
      constexpr int count = constant;
      const std::int64_t below = j + count;  // first row of s whose entries in these columns all count
      float corner[count * count];
      for (int r = 0; r < count; ++r) {
        for (int c = 0; c < count; ++c) corner[r * count + c] = c >= r ? s[(j + c) * p.n + j + r] : 0;
      }
      apply_block<count>(
          {s + below * p.n + j, 1, p.n, p.n - below, y + below * p.width, y + j * p.width, x + j * p.width}, corner, p);
    });
  }
}

// ---- Dot products of rows.

// s[r * n + c] = x_r . y_c for `rows` rows and four columns, of which `columns` are stored.
template <int rows>
void dot_block(const CausalProduct& p, const float* x, const float* y, std::int64_t columns, float* s) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  Vec acc[rows][4];
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    SALTUS_UNROLL for (int c = 0; c < 4; ++c) acc[r][c] = hn::Zero(tag);
  }
  const float* row_of[4];
  SALTUS_UNROLL for (int c = 0; c < 4; ++c) row_of[c] = y + (c < columns ? c : 0) * p.width;
  const auto add = [&](std::int64_t k, const auto& load) {
    Vec column[4];
    SALTUS_UNROLL for (int c = 0; c < 4; ++c) column[c] = load(row_of[c] + k);
    SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
      const Vec row = load(x + r * p.width + k);
      SALTUS_UNROLL for (int c = 0; c < 4; ++c) acc[r][c] = hn::MulAdd(row, column[c], acc[r][c]);
    }
  };
  std::int64_t k = 0;
  for (; k + lanes <= p.width; k += lanes) add(k, [](const float* from) { return hn::LoadU(tag, from); });
  if (k < p.width) {
    const auto rest = hn::FirstN(tag, static_cast<std::size_t>(p.width - k));
    add(k, [rest](const float* from) { return hn::MaskedLoad(rest, tag, from); });
  }
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) {
    float sums[4];
    store_lane_sums(acc[r], sums);
    for (int c = 0; c < 4 && c < columns; ++c) s[r * p.n + c] = sums[c];
  }
}

void causal_dots_impl(const CausalProduct& p, const float* x, const float* y, float* s) {
  for (std::int64_t i = 0, rows = 0; i < p.n; i += rows) {
    rows = rows_of_dots(p.n - i);
    with_rows(rows, [&](auto constant) {
      for (std::int64_t j = 0; j < i + rows; j += 4)
        dot_block<constant>(p, x + i * p.width, y + j * p.width, i + rows - j < 4 ? i + rows - j : 4, s + i * p.n + j);
    });
    for (std::int64_t r = i; r < i + rows; ++r) {
      for (std::int64_t j = r + 1; j < p.n; ++j) s[r * p.n + j] = 0;
    }
  }
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
HWY_EXPORT(causal_dots_impl);
HWY_EXPORT(causal_apply_impl);
HWY_EXPORT(causal_apply_transposed_impl);
void causal_dots(const CausalProduct& p, const float* x, const float* y, float* s) { HWY_DYNAMIC_DISPATCH(causal_dots_impl)(p, x, y, s); }
void causal_apply(const CausalProduct& p, const float* s, const float* x, float* y) { HWY_DYNAMIC_DISPATCH(causal_apply_impl)(p, s, x, y); }
void causal_apply_transposed(const CausalProduct& p, const float* s, const float* y, float* x) {
  HWY_DYNAMIC_DISPATCH(causal_apply_transposed_impl)(p, s, y, x);
}
}  // namespace saltus::kernels
#endif  // HWY_ONCE
