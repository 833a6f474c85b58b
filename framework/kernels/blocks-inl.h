// Included once for each instruction set, after hwy/highway.h.
#if defined(SALTUS_KERNELS_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SALTUS_KERNELS_BLOCKS_INL_H_
#undef SALTUS_KERNELS_BLOCKS_INL_H_
#else
#define SALTUS_KERNELS_BLOCKS_INL_H_
#endif

// For loops over a block of sums that is to stay in registers: without it g++ 12 keeps the block in memory, at a third
// of the speed.
#undef SALTUS_UNROLL
#define SALTUS_UNROLL _Pragma("GCC unroll 8")

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace sums {
namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;

#if HWY_TARGET != HWY_SCALAR
constexpr Tag tag;
using Pairs = hn::Repartition<std::uint64_t, Tag>;

HWY_INLINE Vec add_interleaved(Vec x, Vec y) {
  return hn::Add(hn::InterleaveLower(tag, x, y), hn::InterleaveUpper(tag, x, y));
}

template <class D>
HWY_INLINE hn::Vec<hn::Full128<float>> of_blocks(D d, hn::Vec<D> x) {
  if constexpr (hn::MaxLanes(d) > 4) {
    const hn::Half<D> half;
    return of_blocks(half, hn::Add(hn::LowerHalf(half, x), hn::UpperHalf(half, x)));
  } else {
    return x;
  }
}
#endif
}  // namespace sums

/// to[c] = sum of the lanes of v[c], for four vectors at once: pairs are interleaved and added until each 128-bit block
/// holds a partial sum of all four, then the blocks are added. A third of the instructions of four sums on their own.
HWY_INLINE void store_lane_sums(const sums::Vec* v, float* to) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_SCALAR
  for (int c = 0; c < 4; ++c) to[c] = hn::GetLane(v[c]);
#else
  using namespace sums;  // NOLINT
  const Pairs pairs;
  const auto low = hn::BitCast(pairs, add_interleaved(v[0], v[1])),
             high = hn::BitCast(pairs, add_interleaved(v[2], v[3]));
  const Vec four = hn::Add(hn::BitCast(tag, hn::InterleaveLower(pairs, low, high)),
                           hn::BitCast(tag, hn::InterleaveUpper(pairs, low, high)));
  hn::StoreU(of_blocks(tag, four), hn::Full128<float>(), to);
#endif
}

// ---- Transposition

#if HWY_TARGET != HWY_SCALAR
namespace sums {
// Block g (of 128 bits) of n floats holds at[0..3] of rows 4g.
template <std::size_t n>
HWY_INLINE auto blocks(const float* const* rows, std::size_t at) {
  const hn::FixedTag<float, n> d;
  if constexpr (n == 4) {
    return hn::LoadU(d, rows[0] + at);
  } else {
    return hn::Combine(d, blocks<n / 2>(rows + n / 2, at), blocks<n / 2>(rows, at));
  }
}

// Elements at..at+3 of every row to vectors at..at+3.
HWY_INLINE void transpose_four(const float* const* rows, std::size_t at, float* to, std::size_t stride) {
  constexpr std::size_t lanes = hn::MaxLanes(tag);
  const Pairs pairs;
  const Vec r0 = blocks<lanes>(rows, at), r1 = blocks<lanes>(rows + 1, at);
  const Vec r2 = blocks<lanes>(rows + 2, at), r3 = blocks<lanes>(rows + 3, at);
  const auto a01 = hn::BitCast(pairs, hn::InterleaveLower(tag, r0, r1)),
             b01 = hn::BitCast(pairs, hn::InterleaveUpper(tag, r0, r1));
  const auto a23 = hn::BitCast(pairs, hn::InterleaveLower(tag, r2, r3)),
             b23 = hn::BitCast(pairs, hn::InterleaveUpper(tag, r2, r3));
  to += at * stride;
  hn::StoreU(hn::BitCast(tag, hn::InterleaveLower(pairs, a01, a23)), tag, to);
  hn::StoreU(hn::BitCast(tag, hn::InterleaveUpper(pairs, a01, a23)), tag, to + stride);
  hn::StoreU(hn::BitCast(tag, hn::InterleaveLower(pairs, b01, b23)), tag, to + 2 * stride);
  hn::StoreU(hn::BitCast(tag, hn::InterleaveUpper(pairs, b01, b23)), tag, to + 3 * stride);
}
}  // namespace sums
#endif

/// to[i * stride + r] = rows[r][i] for i < n, and for r up to the lanes of a vector.
HWY_INLINE void transpose(const float* const* rows, std::size_t n, float* to, std::size_t stride) {
#if HWY_TARGET != HWY_SCALAR
  if (n >= 4) {
    for (std::size_t i = 0; i + 4 <= n; i += 4) sums::transpose_four(rows, i, to, stride);
    if (n % 4) sums::transpose_four(rows, n - 4, to, stride);
    return;
  }
#endif
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t r = 0; r < hwy::HWY_NAMESPACE::MaxLanes(sums::Tag()); ++r) to[i * stride + r] = rows[r][i];
  }
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
