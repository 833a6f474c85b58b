#include "data/icl_classification/recipe.h"

#include <algorithm>
#include <limits>

namespace saltus::icl {
namespace {

/// Training once every schedule is over.
Recipe final_recipe(const IclClassificationConfig& c) {
  return {.p_bursty = c.burstiness > 0 ? c.p_bursty : 0,
          .p_novel = c.p_novel_end.value_or(c.p_novel),
          .target = c.target_in_context ? Target::in_context : Target::outside};
}

bool has_ciwl(const IclClassificationConfig& c) {
  return c.labels_per_class == 1 && c.n_classes >= 2 * c.n_labels && c.n_context_classes() <= c.n_labels;
}

/// The sets that ask for a label which a class has for ever.
void add_fixed_label_sets(const IclClassificationConfig& c, std::vector<TestSet>& sets) {
  sets.push_back({"ic2", {.label_shift = 1}});
  sets.push_back({"iw", {.p_bursty = 0}});
  if (has_ciwl(c)) sets.push_back({"ciwl", {.target = Target::same_label}});
  if (c.n_common == 0) return;
  const auto n_common = static_cast<std::uint32_t>(c.n_common), n_classes = static_cast<std::uint32_t>(c.n_classes);
  sets.push_back({"iw_common", {.p_bursty = 0, .target_from = 0, .target_to = n_common}});
  sets.push_back({"iw_rare", {.p_bursty = 0, .target_from = n_common, .target_to = n_classes}});
}

}  // namespace

Recipe train_recipe(const IclClassificationConfig& c, std::int64_t step) {
  Recipe recipe = final_recipe(c);
  recipe.p_novel = c.p_novel_at(step);
  recipe.any_pair_asked = step < c.random_label_steps;
  const bool redrawn = c.redraw_every > 0 && step < c.redraw_steps.value_or(std::numeric_limits<std::int64_t>::max());
  if (redrawn) recipe.generation = static_cast<std::uint32_t>(1 + step / c.redraw_every);
  return recipe;
}

std::vector<TestSet> test_sets(const IclClassificationConfig& c) {
  const Recipe training = final_recipe(c);
  std::vector<TestSet> sets = {{"iid", training}, {"ic", {.p_novel = 1}}};
  if (c.relabelled()) {
    if (c.relabel_held_out > 0) sets.push_back({"held_out", {.held_out_labels = true}});
  } else if (c.n_maps == 1) {
    add_fixed_label_sets(c, sets);
  } else if (c.target_in_context || training.p_bursty < 1) {
    if (c.n_classes > c.n_context_classes()) sets.push_back({"meta", {.target = Target::outside}});
  }
  return sets;
}

}  // namespace saltus::icl
