#pragma once
#include <cstdint>
#include <vector>

#include "core/rng.h"
#include "data/icl_classification/class_law.h"
#include "data/icl_classification/recipe.h"

namespace saltus::icl {

/// Draws the classes of sequences.
class ClassDraws {
 public:
  explicit ClassDraws(const IclClassificationConfig& config);

  /// Room for a call's sequences, made once.
  struct Scratch {
    std::vector<double> label_weight;  // of the labels that a Zipf burst has not taken
    std::vector<std::uint32_t> taken;  // classes of the context, rising
  };

  /// Fills novel, context and target; the context must have its size.
  void draw(const Recipe& recipe, RngCursor& cursor, Scratch& scratch, Sequence& s) const;

 private:
  /// Classes of a burst of distinct labels differ modulo this.
  std::uint32_t modulus(std::uint32_t n_classes) const { return relabelled_ ? n_classes : n_labels_; }
  void draw_burst(RngCursor& cursor, bool distinct, Scratch& scratch, Sequence& s) const;
  std::uint32_t draw_of_same_label(RngCursor& cursor, std::uint32_t k) const;
  std::uint32_t draw_outside(RngCursor& cursor, Scratch& scratch, const Sequence& s) const;

  ClassLaw law_;
  std::uint32_t n_classes_, n_labels_, novel_pool_;
  std::size_t n_groups_;
  bool distinct_labels_, zipf_bursts_, relabelled_;
};

}  // namespace saltus::icl
