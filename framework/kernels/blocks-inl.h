// Included once for each instruction set, after hwy/highway.h.
#if defined(SALTUS_KERNELS_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SALTUS_KERNELS_BLOCKS_INL_H_
#undef SALTUS_KERNELS_BLOCKS_INL_H_
#else
#define SALTUS_KERNELS_BLOCKS_INL_H_
#endif

// For loops over a block of sums that is to stay in registers: without it g++ 12 keeps the block in memory, at a third of the speed.
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

HWY_INLINE Vec add_interleaved(Vec x, Vec y) { return hn::Add(hn::InterleaveLower(tag, x, y), hn::InterleaveUpper(tag, x, y)); }

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

/// to[c] = sum of the lanes of v[c], for four vectors at once: pairs are interleaved and added until each 128-bit block holds a partial sum
/// of all four, then the blocks are added. A third of the instructions of four sums on their own.
HWY_INLINE void store_lane_sums(const sums::Vec* v, float* to) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_TARGET == HWY_SCALAR
  for (int c = 0; c < 4; ++c) to[c] = hn::GetLane(v[c]);
#else
  using namespace sums;  // NOLINT
  const Pairs pairs;
  const auto low = hn::BitCast(pairs, add_interleaved(v[0], v[1])), high = hn::BitCast(pairs, add_interleaved(v[2], v[3]));
  const Vec four = hn::Add(hn::BitCast(tag, hn::InterleaveLower(pairs, low, high)), hn::BitCast(tag, hn::InterleaveUpper(pairs, low, high)));
  hn::StoreU(of_blocks(tag, four), hn::Full128<float>(), to);
#endif
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
