// Highway avoids its emulated 128-bit target on g++ < 12.3 for a compiler bug, in favour of one-lane vectors that
// cannot interleave. This file does not meet the bug: tests/kernels/test_random.cpp runs that target too.
#define HWY_BROKEN_EMU128 0

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/random.cpp"
#include "kernels/random.h"

#include <hwy/foreach_target.h>  // includes this file again for each instruction set; must come before highway.h
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstddef>

HWY_BEFORE_NAMESPACE();
namespace saltus {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using U64 = hn::ScalableTag<std::uint64_t>;
using U32 = hn::Repartition<std::uint32_t, U64>;
using I32 = hn::Repartition<std::int32_t, U64>;
using F32 = hn::Repartition<float, U64>;
using Blocks = hn::Vec<U64>;  // one word of as many Philox blocks as there are lanes: the lower half of each lane
using Words = hn::Vec<U32>;
using Floats = hn::Vec<F32>;

/// The two key words of each round, laid out once a fill so that the rounds read them as broadcast memory operands.
using KeySchedule = std::array<std::array<std::uint64_t, 2>, 10>;

HWY_INLINE KeySchedule Schedule(const Rng& rng) {
  KeySchedule keys;
  std::uint32_t key0 = rng.key(0), key1 = rng.key(1);
  for (auto& round : keys) {
    round = {key0, key1};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return keys;
}

/// Ten Philox rounds on words x0..x3 of several blocks. The upper halves of the lanes go in and come out as rubbish:
/// the widening multiply does not look at them, which saves masking.
HWY_INLINE void PhiloxRounds(const KeySchedule& keys, Blocks& x0, Blocks& x1, Blocks& x2, Blocks& x3) {
  const U64 d;
  const U32 d32;
  const Words multiplier0 = hn::BitCast(d32, hn::Set(d, 0xD2511F53u));
  const Words multiplier1 = hn::BitCast(d32, hn::Set(d, 0xCD9E8D57u));
  for (std::size_t round = 0; round < 10; ++round) {
    const Blocks product0 = hn::MulEven(hn::BitCast(d32, x0), multiplier0);
    const Blocks product1 = hn::MulEven(hn::BitCast(d32, x2), multiplier1);
    x0 = hn::Xor3(hn::ShiftRight<32>(product1), x1, hn::Set(d, keys[round][0]));
    x2 = hn::Xor3(hn::ShiftRight<32>(product0), x3, hn::Set(d, keys[round][1]));
    x1 = product1;
    x3 = product0;
  }
}

/// Lane i of the result holds (even[i], odd[i]) as 32-bit words 2i and 2i+1.
HWY_INLINE Words Pair(Blocks even, Blocks odd) {
  const U32 d32;
  return hn::OddEven(hn::BitCast(d32, hn::ShiftLeft<32>(odd)), hn::BitCast(d32, even));
}

/// sqrt(-2 ln u), u = (w | 1) 2^-32. Near u = 1 the rounding of u would swamp ln u, so 1 - u is carried instead: both u
/// and 1 - u are odd multiples of 2^-32, and the smaller of the two converts without loss of relative precision.
HWY_INLINE Floats Radius(Words w) {
  const I32 di;
  const F32 d;
  const auto sign = hn::BroadcastSignBit(hn::BitCast(di, w));
  const auto upper_half = hn::MaskFromVec(hn::BitCast(d, sign));
  const Floats smaller =
      hn::Mul(hn::ConvertTo(d, hn::Or(hn::Xor(hn::BitCast(di, w), sign), hn::Set(di, 1))), hn::Set(d, 0x1p-32f));
  const Floats u = hn::IfThenElse(upper_half, hn::Sub(hn::Set(d, 1.0f), smaller), smaller);

  // u = 2^exponent (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)).
  const auto bits = hn::BitCast(di, u);
  const auto exponent = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3F3504F3)));
  const Floats mantissa = hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(exponent)));
  const auto near_one = hn::And(upper_half, hn::RebindMask(d, hn::Eq(exponent, hn::Zero(di))));
  const Floats f = hn::IfThenElse(near_one, hn::Neg(smaller), hn::Sub(mantissa, hn::Set(d, 1.0f)));

  // ln(1 + f) = f - f^2 / 2 + f^3 p(f), p a minimax fit on [sqrt(1/2) - 1, sqrt(2) - 1] with error 7e-9 in ln(1 + f).
  Floats p = hn::Set(d, 0.0867220152f);
  for (float coefficient : {-0.143790265f, 0.149779964f, -0.165644235f, 0.199548751f, -0.250016988f, 0.333341659f}) {
    p = hn::Add(hn::Mul(p, f), hn::Set(d, coefficient));
  }
  const Floats f2 = hn::Mul(f, f);
  const Floats tail = hn::Sub(hn::Mul(hn::Mul(f2, f), p), hn::Mul(hn::Set(d, 0.5f), f2));
  const Floats log = hn::Add(hn::Add(tail, f), hn::Mul(hn::ConvertTo(d, exponent), hn::Set(d, 0.693147181f)));
  return hn::Sqrt(hn::Mul(hn::Set(d, -2.0f), log));
}

/// cos and sin of 2 pi v, v = w 2^-32. The top bits of w are the quadrant q: the angle is (q + y) pi / 2 with y in
/// [-1/2, 1/2).
HWY_INLINE void CosSin(Words w, Floats& cos, Floats& sin) {
  const U32 du;
  const I32 di;
  const F32 d;
  const Words shifted = hn::Add(w, hn::Set(du, 0x20000000u));
  const auto rest = hn::Sub(hn::BitCast(di, hn::And(shifted, hn::Set(du, 0x3FFFFFFFu))), hn::Set(di, 0x20000000));
  const Floats y = hn::Mul(hn::ConvertTo(d, rest), hn::Set(d, 0x1p-30f));
  const Floats y2 = hn::Mul(y, y);

  // sin(y pi / 2) = y s(y^2) and cos(y pi / 2) = 1 + y^2 c(y^2); minimax fits with errors 1.2e-9 and 3.2e-8.
  Floats s = hn::Set(d, -0.00459228908f);
  for (float coefficient : {0.0796759030f, -0.645962938f, 1.57079631f}) {
    s = hn::Add(hn::Mul(s, y2), hn::Set(d, coefficient));
  }
  s = hn::Mul(s, y);
  Floats c = hn::Set(d, -0.0204262503f);
  for (float coefficient : {0.253606362f, -1.23369795f, 1.0f}) {
    c = hn::Add(hn::Mul(c, y2), hn::Set(d, coefficient));
  }

  const auto odd_quadrant = hn::RebindMask(d, hn::TestBit(shifted, hn::Set(du, 0x40000000u)));
  const Words sign_bit = hn::Set(du, 0x80000000u);
  const Words cos_sign = hn::And(hn::Xor(shifted, hn::ShiftLeft<1>(shifted)), sign_bit);
  cos = hn::Xor(hn::IfThenElse(odd_quadrant, s, c), hn::BitCast(d, cos_sign));
  sin = hn::Xor(hn::IfThenElse(odd_quadrant, c, s), hn::BitCast(d, hn::And(shifted, sign_bit)));
}

/// Writes each block's four words side by side. Lanes 0, 2, 4, ... hold the first half of the blocks, as Fill lays them
/// out, so that interleaving within 128 bits leaves the blocks in order.
template <class T>
HWY_INLINE void StoreBlocks(hn::Vec<hn::Repartition<T, U64>> words01, hn::Vec<hn::Repartition<T, U64>> words23,
                            T* out) {
  const U64 d;
  const hn::Repartition<T, U64> dt;
  const Blocks a = hn::BitCast(d, words01), b = hn::BitCast(d, words23);
  hn::StoreU(hn::BitCast(dt, hn::InterleaveLower(d, a, b)), dt, out);
  hn::StoreU(hn::BitCast(dt, hn::InterleaveUpper(d, a, b)), dt, out + hn::Lanes(dt));
}

struct EmitWords {
  HWY_INLINE void operator()(Blocks x0, Blocks x1, Blocks x2, Blocks x3, std::uint32_t* out) const {
    StoreBlocks<std::uint32_t>(Pair(x0, x1), Pair(x2, x3), out);
  }
};

struct EmitUniform {
  HWY_INLINE static Floats Uniform(Words w) {
    const F32 d;
    return hn::Mul(hn::ConvertTo(d, hn::BitCast(I32(), hn::ShiftRight<8>(w))), hn::Set(d, 0x1p-24f));
  }
  HWY_INLINE void operator()(Blocks x0, Blocks x1, Blocks x2, Blocks x3, float* out) const {
    StoreBlocks<float>(Uniform(Pair(x0, x1)), Uniform(Pair(x2, x3)), out);
  }
};

struct EmitNormal {
  HWY_INLINE void operator()(Blocks x0, Blocks x1, Blocks x2, Blocks x3, float* out) const {
    const F32 d;
    const Floats radius = Radius(Pair(x0, x2));
    Floats cos, sin;
    CosSin(Pair(x1, x3), cos, sin);
    cos = hn::Mul(radius, cos);
    sin = hn::Mul(radius, sin);
    hn::StoreU(hn::InterleaveLower(d, cos, sin), d, out);
    hn::StoreU(hn::InterleaveUpper(d, cos, sin), d, out + hn::Lanes(d));
  }
};

template <class Emit, class T>
HWY_INLINE void Fill(const Rng& rng, Draw draw, T* out, std::size_t size) {
  const U64 d;
  const std::size_t lanes = hn::Lanes(d);
  HWY_ALIGN std::uint64_t order[hn::MaxLanes(d)];
  for (std::size_t lane = 0; lane < lanes; ++lane) order[lane] = lane / 2 + (lane % 2) * (lanes / 2);
  Blocks index = hn::Load(d, order);
  const KeySchedule keys = Schedule(rng);

  const auto next = [&](T* to) HWY_ATTR {
    Blocks x0 = index, x1 = hn::Set(d, draw.sample), x2 = hn::Set(d, draw.step), x3 = hn::Set(d, draw.lane);
    PhiloxRounds(keys, x0, x1, x2, x3);
    Emit()(x0, x1, x2, x3, to);
    index = hn::Add(index, hn::Set(d, lanes));
  };
  const std::size_t at_once = 4 * lanes;
  std::size_t done = 0;
  for (; done + at_once <= size; done += at_once) next(out + done);
  if (done < size) {
    T last[4 * hn::MaxLanes(d)];
    next(last);
    std::copy_n(last, size - done, out + done);
  }
}

void FillWords(const Rng& rng, Draw draw, std::uint32_t* out, std::size_t size) {
  Fill<EmitWords>(rng, draw, out, size);
}
void FillUniform(const Rng& rng, Draw draw, float* out, std::size_t size) { Fill<EmitUniform>(rng, draw, out, size); }
void FillNormal(const Rng& rng, Draw draw, float* out, std::size_t size) { Fill<EmitNormal>(rng, draw, out, size); }

}  // namespace HWY_NAMESPACE
}  // namespace saltus
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus {
HWY_EXPORT(FillWords);
HWY_EXPORT(FillUniform);
HWY_EXPORT(FillNormal);

void fill_words(const Rng& rng, Draw draw, std::span<std::uint32_t> out) {
  HWY_DYNAMIC_DISPATCH(FillWords)(rng, draw, out.data(), out.size());
}
void fill_uniform(const Rng& rng, Draw draw, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(FillUniform)(rng, draw, out.data(), out.size());
}
void fill_normal(const Rng& rng, Draw draw, std::span<float> out) {
  HWY_DYNAMIC_DISPATCH(FillNormal)(rng, draw, out.data(), out.size());
}
}  // namespace saltus
#endif
