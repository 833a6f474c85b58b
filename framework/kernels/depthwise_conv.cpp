#include "kernels/depthwise_conv.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/depthwise_conv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr Tag tag;

// How a vector of channels is read and written: whole, or as far as there are channels.
struct Whole {
  Vec load(const float* from) const { return hn::LoadU(tag, from); }
  void store(Vec x, float* to) const { hn::StoreU(x, tag, to); }
};
struct Part {
  hn::Mask<Tag> counts;
  Vec load(const float* from) const { return hn::MaskedLoad(counts, tag, from); }
  void store(Vec x, float* to) const { hn::BlendedStore(x, counts, tag, to); }
};

// Calls f(channel, how) for every vector of channels.
template <class F>
HWY_INLINE void for_each_vector(std::int64_t channels, const F& f) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(tag));
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) f(c, Whole());
  if (c < channels) f(c, Part{hn::FirstN(tag, static_cast<std::size_t>(channels - c))});
}

constexpr int together = 4;  // rows or taps whose sums are under way at a time

// out_r = sum over j of w_j in_{r +- j} for `rows` rows r, where `in` goes on by `step` elements, a row, with each j.
template <int rows, class Access>
HWY_INLINE void slide(const Access& how, std::int64_t terms, const float* w, const float* in, std::int64_t step,
                      std::int64_t channels, float* out) {
  Vec sum[rows];
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) sum[r] = hn::Zero(tag);
  for (std::int64_t j = 0; j < terms; ++j, w += channels, in += step) {
    const Vec tap = how.load(w);
    SALTUS_UNROLL for (int r = 0; r < rows; ++r) sum[r] = hn::MulAdd(tap, how.load(in + r * channels), sum[r]);
  }
  SALTUS_UNROLL for (int r = 0; r < rows; ++r) how.store(sum[r], out + r * channels);
}

void depthwise_conv_impl(const DepthwiseConv& p, const float* x, const float* w, float* y) {
  const std::int64_t row = p.channels;
  for_each_vector(p.channels, [&](std::int64_t c, const auto& how) {
    std::int64_t t = 0;
    for (; t + together <= p.n; t += together)
      slide<together>(how, p.width, w + c, x + t * row + c, row, row, y + t * row + c);
    for (; t < p.n; ++t) slide<1>(how, p.width, w + c, x + t * row + c, row, row, y + t * row + c);
  });
}

void depthwise_conv_transposed_impl(const DepthwiseConv& p, const float* y, const float* w, float* x) {
  const std::int64_t row = p.channels, rows = p.n + p.width - 1;
  for_each_vector(p.channels, [&](std::int64_t c, const auto& how) {
    for (std::int64_t s = 0, count = 0; s < rows; s += count) {
      const bool inside = s >= p.width - 1 && s + together <= p.n;  // all rows have all taps
      count = inside ? together : 1;
      const std::int64_t first = inside ? 0 : std::max<std::int64_t>(0, s - p.n + 1),
                         last = inside ? p.width : std::min(s + 1, p.width);
      const float *taps = w + first * row + c, *from = y + (s - first) * row + c;
      float* to = x + s * row + c;
      if (inside) slide<together>(how, last - first, taps, from, -row, row, to);
      if (!inside) slide<1>(how, last - first, taps, from, -row, row, to);
    }
  });
}

// The sums of `taps` taps from the first of `w` on; x begins at that tap.
template <int taps, class Access>
HWY_INLINE void sum_taps(const Access& how, const DepthwiseConv& p, const float* x, const float* y, float* w) {
  Vec sum[taps];
  SALTUS_UNROLL for (int k = 0; k < taps; ++k) sum[k] = hn::Zero(tag);
  for (std::int64_t t = 0; t < p.n; ++t, x += p.channels, y += p.channels) {
    const Vec row = how.load(y);
    SALTUS_UNROLL for (int k = 0; k < taps; ++k) sum[k] = hn::MulAdd(row, how.load(x + k * p.channels), sum[k]);
  }
  SALTUS_UNROLL for (int k = 0; k < taps; ++k) how.store(sum[k], w + k * p.channels);
}

void depthwise_conv_taps_impl(const DepthwiseConv& p, const float* x, const float* y, float* w) {
  const std::int64_t row = p.channels;
  for_each_vector(p.channels, [&](std::int64_t c, const auto& how) {
    std::int64_t j = 0;
    for (; j + together <= p.width; j += together) sum_taps<together>(how, p, x + j * row + c, y + c, w + j * row + c);
    for (; j < p.width; ++j) sum_taps<1>(how, p, x + j * row + c, y + c, w + j * row + c);
  });
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
HWY_EXPORT(depthwise_conv_impl);
HWY_EXPORT(depthwise_conv_transposed_impl);
HWY_EXPORT(depthwise_conv_taps_impl);
void depthwise_conv(const DepthwiseConv& p, const float* x, const float* w, float* y) {
  HWY_DYNAMIC_DISPATCH(depthwise_conv_impl)(p, x, w, y);
}
void depthwise_conv_transposed(const DepthwiseConv& p, const float* y, const float* w, float* x) {
  HWY_DYNAMIC_DISPATCH(depthwise_conv_transposed_impl)(p, y, w, x);
}
void depthwise_conv_taps(const DepthwiseConv& p, const float* x, const float* y, float* w) {
  HWY_DYNAMIC_DISPATCH(depthwise_conv_taps_impl)(p, x, y, w);
}
}  // namespace saltus::kernels
#endif  // HWY_ONCE
