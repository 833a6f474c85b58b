#include "kernels/dropout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/random.h"

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Element e's half is the lower one of word e / 2 if e is even, else the upper one: in memory, half e.
static_assert(std::endian::native == std::endian::little);
void keep_impl(const std::uint32_t* bits, std::uint32_t threshold, float scale, const float* x, float* y,
               std::size_t n) {
  const hn::ScalableTag<float> tag;
  const hn::RebindToSigned<decltype(tag)> ints;
  const hn::Rebind<std::uint16_t, decltype(tag)> halves;
  const auto below = hn::Set(ints, static_cast<std::int32_t>(threshold) - 1);
  const auto factor = hn::Set(tag, scale);
  const std::size_t lanes = hn::Lanes(tag);
  std::size_t e = 0;
  for (; e + lanes <= n; e += lanes) {
    const auto half = hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(bits) + e);
    const auto kept = hn::RebindMask(tag, hn::Gt(hn::PromoteTo(ints, half), below));
    hn::StoreU(hn::IfThenElseZero(kept, hn::Mul(hn::LoadU(tag, x + e), factor)), tag, y + e);
  }
  for (; e < n; ++e) y[e] = (bits[e / 2] >> (e % 2 * 16) & 0xFFFF) >= threshold ? x[e] * scale : 0.0f;
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
namespace {

constexpr std::size_t words = 512;  // drawn at once: they stay in the first-level cache
// Lanes from here on keep dropout's words apart from others' with the same generator.
constexpr std::uint32_t first_lane = 0x64726f70;
Rng generator() { return Rng(0, Stream::init); }

/// Where the words of elements [2 words chunk, 2 words (chunk + 1)) lie.
Draw draw_of(const Dropout& d, std::size_t chunk) {
  return {.sample = d.key, .step = d.site, .lane = first_lane + static_cast<std::uint32_t>(chunk)};
}

}  // namespace

Dropout dropout_with(double rate, std::uint32_t key, std::uint32_t site) {
  const auto dropped = static_cast<std::uint32_t>(std::clamp(std::lround(rate * 65536), 0L, 65535L));
  return {.key = key, .site = site, .threshold = dropped, .scale = 65536.0f / static_cast<float>(65536 - dropped)};
}

bool keeps(const Dropout& d, std::size_t e) {
  const Draw draw = draw_of(d, e / (2 * words));
  const std::size_t word = e / 2 % words;
  const Rng::Block block = generator().block(static_cast<std::uint32_t>(word / 4), draw.sample, draw.step, draw.lane);
  return (block.word[word % 4] >> (e % 2 * 16) & 0xFFFF) >= d.threshold;
}

HWY_EXPORT(keep_impl);
void dropout(const Dropout& d, const float* x, float* y, std::size_t n) {
  const Rng rng = generator();
  alignas(64) std::uint32_t bits[words];
  for (std::size_t first = 0; first < n; first += 2 * words) {
    const std::size_t now = std::min(n - first, 2 * words);
    fill_words(rng, draw_of(d, first / (2 * words)), {bits, (now + 1) / 2});
    HWY_DYNAMIC_DISPATCH(keep_impl)(bits, d.threshold, d.scale, x + first, y + first, now);
  }
}

}  // namespace saltus::kernels
#endif  // HWY_ONCE
