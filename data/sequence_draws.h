#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"

namespace saltus {

/// Draws without replacement out of 0..n-1: uniform over the ordered draws, one random number each, whatever share of n
/// is drawn (Fisher and Yates' shuffle, stopped early).
class Urn {
 public:
  explicit Urn(std::int64_t n);
  /// Fills `out`, of at most n numbers. The urn is full again afterwards.
  void draw(RngCursor& cursor, std::span<std::int32_t> out);

 private:
  std::vector<std::int32_t> items_;
  std::vector<std::uint32_t> swapped_;
};

/// Draws without replacement out of 0..n-1 where each draw takes i with a probability proportional to its weight among
/// those left: numpy.random.choice(replace=False, p). Weights are kept as integers that add up to less than 2^32.
class WeightedUrn {
 public:
  /// Weights >= 0 with a positive sum; a positive one is at least 2^-32 of it after rounding.
  explicit WeightedUrn(std::span<const double> weights);
  std::size_t n() const { return weights_.size(); }

  /// What one sequence of draws is left with.
  struct Left {
    std::vector<std::uint32_t> tree;
    std::uint32_t total = 0;
  };
  void fill(Left& left) const;
  /// Takes one out of `left`, which must hold one of positive weight.
  std::int32_t draw(RngCursor& cursor, Left& left) const;

 private:
  std::vector<std::uint32_t> weights_;
  std::vector<std::uint32_t> tree_;  // sums over ranges, as Fenwick (1994) keeps them: entry i of 1..n
  std::uint32_t total_ = 0;
  std::uint32_t top_ = 1;  // the largest power of 2 that is at most n
};

}  // namespace saltus
