#include "data/sequence_draws.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/check.h"

namespace saltus {

Urn::Urn(std::int64_t n) : items_(static_cast<std::size_t>(n)) { std::iota(items_.begin(), items_.end(), 0); }

void Urn::draw(RngCursor& cursor, std::span<std::int32_t> out) {
  swapped_.resize(out.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto left = static_cast<std::uint32_t>(items_.size() - i);
    swapped_[i] = static_cast<std::uint32_t>(i) + cursor.below(left);
    std::swap(items_[i], items_[swapped_[i]]);
    out[i] = items_[i];
  }
  // Back in order, so that the next draw depends on its own random numbers alone.
  for (std::size_t i = out.size(); i-- > 0;) std::swap(items_[i], items_[swapped_[i]]);
}

WeightedUrn::WeightedUrn(std::span<const double> weights)
    : weights_(weights.size()),
      tree_(weights.size() + 1),
      top_(std::bit_floor(static_cast<std::uint32_t>(weights.size()))) {
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  check(sum > 0, "nothing to draw: the {} weights add up to {}", weights.size(), sum);
  const double scale = (0x1p32 - 1 - static_cast<double>(weights.size())) / sum;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights_[i] = weights[i] > 0 ? std::max(1u, static_cast<std::uint32_t>(weights[i] * scale)) : 0;
    total_ += weights_[i];
    tree_[i + 1] += weights_[i];
    const std::size_t next = (i + 1) + ((i + 1) & (~i));  // i + 1 and its lowest set bit
    if (next < tree_.size()) tree_[next] += tree_[i + 1];
  }
}

void WeightedUrn::fill(Left& left) const {
  left.tree = tree_;
  left.total = total_;
}

std::int32_t WeightedUrn::draw(RngCursor& cursor, Left& left) const {
  std::uint32_t rank = cursor.below(left.total);
  std::uint32_t at = 0;  // items whose weights all lie below the rank
  for (std::uint32_t step = top_; step > 0; step /= 2) {
    if (at + step < left.tree.size() && left.tree[at + step] <= rank) {
      at += step;
      rank -= left.tree[at];
    }
  }
  const std::uint32_t weight = weights_[at];
  left.total -= weight;
  for (std::uint32_t i = at + 1; i < left.tree.size(); i += i & (~i + 1)) left.tree[i] -= weight;
  return static_cast<std::int32_t>(at);
}

}  // namespace saltus
