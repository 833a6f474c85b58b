#include "core/rng.h"

#include <Random123/philox.h>

namespace saltus {
namespace {

/// SplitMix64's output function (Steele et al. 2014): a bijection in which every input bit reaches every output bit.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

Rng::Block philox(const std::array<std::uint32_t, 4>& counter, const std::array<std::uint32_t, 2>& key) {
  const r123::Philox4x32::ctr_type words =
      r123::Philox4x32()({{counter[0], counter[1], counter[2], counter[3]}}, {{key[0], key[1]}});
  return {{words[0], words[1], words[2], words[3]}};
}

Rng::Rng(std::uint64_t seed, Stream stream) {
  const std::uint64_t key = mix(mix(seed) ^ static_cast<std::uint64_t>(stream));
  key_ = {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
}

Rng::Block Rng::block(std::uint32_t index, std::uint32_t sample, std::uint32_t step, std::uint32_t lane) const {
  return philox({index, sample, step, lane}, key_);
}

std::uint32_t RngCursor::next() {
  const std::uint32_t i = next_index_++;
  if (i % 4 == 0) block_ = rng_.block(i / 4, sample_, step_, lane_);
  return block_.word[i % 4];
}

std::uint32_t RngCursor::below(std::uint32_t n) {
  std::uint64_t product = std::uint64_t{next()} * n;
  if (static_cast<std::uint32_t>(product) < n) {
    // The upper half takes every value equally often once the first 2^32 mod n values of the lower half are refused.
    const std::uint32_t refused = (0u - n) % n;
    while (static_cast<std::uint32_t>(product) < refused) product = std::uint64_t{next()} * n;
  }
  return static_cast<std::uint32_t>(product >> 32);
}

float RngCursor::uniform() { return static_cast<float>(next() >> 8) * 0x1p-24f; }

}  // namespace saltus
