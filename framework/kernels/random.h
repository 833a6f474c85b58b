#pragma once
#include <cstdint>
#include <span>

#include "core/rng.h"

namespace saltus {

/// Where a run of elements lies in a stream; see Rng.
struct Draw {
  std::uint32_t sample = 0, step = 0, lane = 0;
};

/// The three fills give the same bits on every instruction set: no fused multiply-adds, and no libm.
/// Element e depends on block e / 4 alone, so a longer fill begins with the bits of a shorter one. Lengths that are a
/// multiple of 32 elements waste nothing (AVX-512 makes 8 blocks at a time); a sampler that wants n rows of D numbers
/// does best to make them with one fill of rows padded to a multiple of 4.

/// out[e] = the 32-bit word of element e.
void fill_words(const Rng& rng, Draw draw, std::span<std::uint32_t> out);

/// out[e] = uniform in [0, 1), from the upper 24 bits of word e.
void fill_uniform(const Rng& rng, Draw draw, std::span<float> out);

/// out[e] = standard normal, by Box-Muller (1958) on the words w of elements 2i and 2i+1:
///     (out[2i], out[2i+1]) = sqrt(-2 ln u) (cos 2 pi v, sin 2 pi v),  u = (w[2i] | 1) 2^-32,  v = w[2i+1] 2^-32.
/// |out[e]| <= 6.66. Within 1e-6 of the same formula in double precision.
void fill_normal(const Rng& rng, Draw draw, std::span<float> out);

}  // namespace saltus
