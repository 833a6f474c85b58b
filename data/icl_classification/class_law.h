#pragma once
#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "data/icl_classification/config.h"

namespace saltus::icl {

/// How often the known classes are drawn outside bursts, f: the Zipf law (k+1)^-alpha, or with p_common two uniform
/// laws.
class ClassLaw {
 public:
  explicit ClassLaw(const IclClassificationConfig& config);

  /// A class from f.
  std::uint32_t draw(RngCursor& cursor) const;
  /// A class from f restricted to the classes [from, to), of which there is at least one.
  std::uint32_t draw_within(RngCursor& cursor, std::uint32_t from, std::uint32_t to) const;
  /// A class from f restricted to the labels that still have weight in left [label], whose own weight it then takes
  /// away. First the label, then the class within it: no rejection, however little of f is left. When labels are drawn
  /// afresh each class counts as a label of its own here.
  std::uint32_t draw_unused_label(RngCursor& cursor, std::vector<double>& left) const;
  /// [label]: the sum of its classes' weights.
  const std::vector<double>& label_weight() const { return label_weight_; }

 private:
  std::vector<std::uint64_t> threshold_;  // [class]: 2^32 P(class <= k)
  std::vector<double> weight_;            // [class], positive
  std::vector<double> label_weight_;
};

}  // namespace saltus::icl
