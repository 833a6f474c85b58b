#include "data/icl_classification/class_draws.h"

#include <algorithm>
#include <utility>

namespace saltus::icl {

ClassDraws::ClassDraws(const IclClassificationConfig& config)
    : law_(config),
      n_classes_(static_cast<std::uint32_t>(config.n_classes)),
      n_labels_(static_cast<std::uint32_t>(config.n_labels)),
      novel_pool_(static_cast<std::uint32_t>(config.novel_pool)),
      n_groups_(static_cast<std::size_t>(config.n_context_classes())),
      distinct_labels_(config.distinct_labels),
      zipf_bursts_(config.burst_class_law == "zipf"),
      relabelled_(config.relabelled()) {}

/// Fills s.context: G classes, B copies each, in random order.
void ClassDraws::draw_burst(RngCursor& cursor, bool distinct, Scratch& scratch, Sequence& s) const {
  const std::uint32_t n_classes = s.novel ? novel_pool_ : n_classes_;
  const std::uint32_t n_residues = modulus(n_classes);
  const bool zipf = !s.novel && zipf_bursts_;
  if (distinct && zipf) {
    scratch.label_weight = law_.label_weight();
    for (std::size_t g = 0; g < n_groups_; ++g) s.context[g] = law_.draw_unused_label(cursor, scratch.label_weight);
  } else if (distinct) {
    // Floyd's algorithm (Bentley and Floyd 1987): a uniform subset of n_groups residues, that is labels, in n_groups
    // draws.
    for (std::size_t g = 0; g < n_groups_; ++g) {
      const std::uint32_t last = n_residues - static_cast<std::uint32_t>(n_groups_ - g);
      const std::uint32_t drawn = cursor.below(last + 1);
      const auto taken = s.context.begin() + static_cast<std::ptrdiff_t>(g);
      s.context[g] = std::find(s.context.begin(), taken, drawn) == taken ? drawn : last;
    }
    for (std::size_t g = 0; g < n_groups_; ++g) s.context[g] += n_residues * cursor.below(n_classes / n_residues);
  } else {
    for (std::size_t g = 0; g < n_groups_; ++g) s.context[g] = zipf ? law_.draw(cursor) : cursor.below(n_classes);
  }
  for (std::size_t i = n_groups_; i < s.context.size(); ++i) s.context[i] = s.context[i - n_groups_];
  for (std::size_t i = s.context.size() - 1; i > 0; --i) {
    std::swap(s.context[i], s.context[cursor.below(static_cast<std::uint32_t>(i + 1))]);
  }
}

/// One of the other classes with k's label, uniformly: the label's classes are label, label + L, ..., a cycle to step
/// along.
std::uint32_t ClassDraws::draw_of_same_label(RngCursor& cursor, std::uint32_t k) const {
  const std::uint64_t steps = 1 + cursor.below(n_classes_ / n_labels_ - 1);
  return static_cast<std::uint32_t>((k + steps * n_labels_) % n_classes_);
}

/// A known class that is not in the context, uniformly.
std::uint32_t ClassDraws::draw_outside(RngCursor& cursor, Scratch& scratch, const Sequence& s) const {
  std::vector<std::uint32_t>& taken = scratch.taken;
  taken.assign(s.context.begin(), s.context.end());
  std::sort(taken.begin(), taken.end());
  taken.erase(std::unique(taken.begin(), taken.end()), taken.end());
  std::uint32_t k = cursor.below(n_classes_ - static_cast<std::uint32_t>(taken.size()));
  for (std::uint32_t other : taken) k += other <= k;  // the k-th of those left
  return k;
}

void ClassDraws::draw(const Recipe& recipe, RngCursor& cursor, Scratch& scratch, Sequence& s) const {
  s.novel = cursor.uniform() < recipe.p_novel;
  s.bursty = s.novel || cursor.uniform() < recipe.p_bursty;
  if (!s.bursty) {
    for (std::uint32_t& k : s.context) k = law_.draw(cursor);
    s.target =
        recipe.target_to == 0 ? law_.draw(cursor) : law_.draw_within(cursor, recipe.target_from, recipe.target_to);
    return;
  }
  draw_burst(cursor, distinct_labels_ || recipe.target == Target::same_label, scratch, s);
  if (recipe.target == Target::outside) {
    s.target = draw_outside(cursor, scratch, s);
    return;
  }
  s.target = s.context[cursor.below(static_cast<std::uint32_t>(s.context.size()))];
  if (recipe.target == Target::same_label) s.target = draw_of_same_label(cursor, s.target);
}

}  // namespace saltus::icl
