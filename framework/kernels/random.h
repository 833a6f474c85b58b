#pragma once
#include <cstdint>
#include <span>

#include "core/rng.h"

namespace saltus {

/// Where a run of elements lies in a stream; see Rng.
struct Draw {
  std::uint32_t sample = 0, step = 0, lane = 0;
};

/// out[e] = uniform in [0, 1), from the upper 24 bits of word e. Vectorised; equal to Rng::block word by word.
void fill_uniform(const Rng& rng, Draw draw, std::span<float> out);

/// out[e] = standard normal. Box-Muller on pairs of words with polynomials of our own, so that the bits do not depend on a libm;
/// |out[e]| <= 6.66 (32-bit uniforms). Elements 4b..4b+3 depend on block b alone.
void fill_normal(const Rng& rng, Draw draw, std::span<float> out);

}  // namespace saltus
