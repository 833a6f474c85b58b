#pragma once
#include <array>
#include <cstdint>

namespace saltus {

/// What a random number is for. Streams of one seed are independent, and each can be given a seed of its own.
enum class Stream : std::uint32_t { init = 1, data = 2, eval = 3, task = 4 };

/// The seed of each stream; a config that gives one seed sets all four to it.
struct Seeds {
  std::uint64_t init = 0;  // the model's parameters
  std::uint64_t data = 0;  // the training examples
  std::uint64_t eval = 0;  // the fixed test sets
  std::uint64_t task = 0;  // what defines the task itself, for example its class centres
};

/// Philox4x32-10 (Salmon et al. 2011) as a function: the same (seed, stream, step, sample, element) gives the same
/// number on any thread, in any order. Element e is word e % 4 of the block with counter (e / 4, sample, step, lane)
/// and the key made of seed and stream; `lane` keeps apart the different draws that one sample needs (its noise, its
/// labels, its shift). Fast versions that fill arrays are in kernels/random.h; they give the same numbers.
class Rng {
 public:
  /// The key is a SplitMix64 hash of seed and stream, so that neighbouring seeds get unrelated keys.
  Rng(std::uint64_t seed, Stream stream);

  struct Block {
    std::uint32_t word[4];
  };
  Block block(std::uint32_t index, std::uint32_t sample, std::uint32_t step, std::uint32_t lane) const;

  std::uint32_t key(int i) const { return key_[static_cast<std::size_t>(i)]; }

 private:
  std::array<std::uint32_t, 2> key_;
};

/// The bare Philox4x32-10 bijection, with the published constants.
Rng::Block philox(const std::array<std::uint32_t, 4>& counter, const std::array<std::uint32_t, 2>& key);

/// A cursor over one sample's words, for the odd few integers that a sampler draws: choices, shuffles, shifts.
class RngCursor {
 public:
  RngCursor(const Rng& rng, std::uint32_t sample, std::uint32_t step, std::uint32_t lane)
      : rng_(rng), sample_(sample), step_(step), lane_(lane) {}
  std::uint32_t next();
  /// Uniform in {0, ..., n-1}, without bias (Lemire's rejection); n >= 1.
  std::uint32_t below(std::uint32_t n);
  /// Uniform in [0, 1) with 24 bits.
  float uniform();

 private:
  const Rng& rng_;
  std::uint32_t sample_, step_, lane_;
  std::uint32_t next_index_ = 0;
  Rng::Block block_{};
};

}  // namespace saltus
