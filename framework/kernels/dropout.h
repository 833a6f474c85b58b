#pragma once
#include <cstddef>
#include <cstdint>

namespace saltus::kernels {

/// Which elements of one sample dropout keeps, and what it multiplies them by. A decision takes 16 bits of Philox, so
/// that a block decides on eight elements; a rate counts in steps of 2^-16. Element e has the half e % 2 (0: the lower
/// one) of the word of element e / 2 % 512 in the stream of core/rng.h with sample `key`, step `site` and a lane for
/// each 1024 elements; it is kept when that half is at least `threshold`.
struct Dropout {
  std::uint32_t key;
  std::uint32_t site;
  std::uint32_t threshold;
  float scale;
};

/// For a rate in [0, 1): the nearest threshold, and one over the share of halves that it keeps, so that the mean of the
/// result is x.
Dropout dropout_with(double rate, std::uint32_t key, std::uint32_t site);

/// y[e] = scale x[e] where element e is kept, else 0, for the n elements of a sample; y may be x. The same bits on
/// every instruction set.
void dropout(const Dropout& d, const float* x, float* y, std::size_t n);

/// Whether element e is kept; dropout()'s definition.
bool keeps(const Dropout& d, std::size_t e);

}  // namespace saltus::kernels
