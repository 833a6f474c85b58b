#include "data/icl_classification/class_law.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace saltus::icl {
namespace {

/// One of begin, begin + stride, ... < end, by weight, `total` being the sum of their weights.
std::size_t pick(RngCursor& cursor, double total, std::size_t begin, std::size_t end, std::size_t stride,
                 const std::vector<double>& weight) {
  double left = cursor.next() * 0x1p-32 * total;
  std::size_t chosen =
      end;  // rounding can leave `left` at the last weight's end: the last one with any weight is then meant
  for (std::size_t i = begin; i < end; i += stride) {
    if (weight[i] <= 0) continue;
    chosen = i;
    if (left < weight[i]) break;
    left -= weight[i];
  }
  return chosen;
}

double class_weight(const IclClassificationConfig& c, std::int64_t k) {
  if (c.p_common) {
    return k < c.n_common ? *c.p_common / static_cast<double>(c.n_common)
                          : (1 - *c.p_common) / static_cast<double>(c.n_classes - c.n_common);
  }
  // A class that the law all but excludes must still be there to be picked among its like.
  return std::max(std::pow(static_cast<double>(k + 1), -c.zipf_exponent), std::numeric_limits<double>::min());
}

}  // namespace

ClassLaw::ClassLaw(const IclClassificationConfig& config) {
  const auto n_classes = static_cast<std::size_t>(config.n_classes),
             n_labels = config.relabelled() ? n_classes : static_cast<std::size_t>(config.n_labels);
  weight_.resize(n_classes);
  label_weight_.resize(n_labels);
  for (std::size_t k = 0; k < n_classes; ++k) {
    weight_[k] = class_weight(config, static_cast<std::int64_t>(k));
    label_weight_[k % n_labels] += weight_[k];
  }
  const double total = std::accumulate(weight_.begin(), weight_.end(), 0.0);
  double below = 0;
  for (double weight : weight_) {
    below += weight;
    threshold_.push_back(static_cast<std::uint64_t>(std::llround(below / total * 0x1p32)));
  }
}

std::uint32_t ClassLaw::draw(RngCursor& cursor) const {
  return static_cast<std::uint32_t>(std::upper_bound(threshold_.begin(), threshold_.end(), cursor.next()) -
                                    threshold_.begin());
}

std::uint32_t ClassLaw::draw_within(RngCursor& cursor, std::uint32_t from, std::uint32_t to) const {
  const double total = std::accumulate(weight_.begin() + from, weight_.begin() + to, 0.0);
  return static_cast<std::uint32_t>(pick(cursor, total, from, to, 1, weight_));
}

std::uint32_t ClassLaw::draw_unused_label(RngCursor& cursor, std::vector<double>& left) const {
  const std::size_t n_labels = label_weight_.size();
  const double total = std::accumulate(left.begin(), left.end(), 0.0);
  const std::size_t label = pick(cursor, total, 0, n_labels, 1, left);
  left[label] = 0;
  return static_cast<std::uint32_t>(pick(cursor, label_weight_[label], label, weight_.size(), n_labels, weight_));
}

}  // namespace saltus::icl
