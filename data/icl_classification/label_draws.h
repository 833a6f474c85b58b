#pragma once
#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "data/icl_classification/recipe.h"

namespace saltus::icl {

/// Gives the classes of sequences their labels. A class k has the choices (k + j stride) mod L, j in a range: one
/// choice with a fixed label, m with labels_per_class m (stride L/m: classes that agree mod L/m have the same m
/// labels), all L or those not held out when labels are drawn afresh (stride 1).
class LabelDraws {
 public:
  explicit LabelDraws(const IclClassificationConfig& config);

  /// Fills shown and asked, out of novel, context and target; shown must have its size. Every copy of a class in the
  /// sequence, the target too, has one label.
  void draw(const Recipe& recipe, const Rng& rng, std::uint32_t number, std::uint32_t step, Sequence& s) const;

 private:
  void choose(const Recipe& recipe, RngCursor cursor, Sequence& s) const;
  std::uint32_t draw_map(RngCursor cursor) const;

  std::uint32_t n_labels_, n_choices_, stride_, n_held_out_;
  bool distinct_labels_;
  std::vector<std::uint64_t> map_threshold_;  // [tau]: 2^32 P(map <= tau); empty with one map
};

}  // namespace saltus::icl
