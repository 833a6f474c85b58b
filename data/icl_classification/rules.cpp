#include <fmt/format.h>

#include <algorithm>

#include "data/icl_classification/config.h"

namespace saltus {
namespace {

using Require = std::function<void(bool ok, const char* key, const std::string& message)>;

bool burstiness_fits(const IclClassificationConfig& c) {
  return c.burstiness > 0 ? c.burstiness < c.n_pairs && c.n_pairs % c.burstiness == 0 : c.n_pairs % 2 == 0;
}

void size_rules(const IclClassificationConfig& c, const Require& require) {
  const std::int64_t labels = std::max<std::int64_t>(c.n_labels, 1);
  require(c.n_classes >= labels && c.n_classes % labels == 0, "n_classes",
          fmt::format("n_classes {} is not a multiple of n_labels {}: every label owns the same number of classes",
                      c.n_classes, c.n_labels));
  require(c.n_pairs <= c.max_pairs, "n_pairs",
          fmt::format("n_pairs {} is more than max_pairs {}, the longest context that the position code holds",
                      c.n_pairs, c.max_pairs));
  require(
      c.novel_pool >= labels && c.novel_pool % labels == 0, "novel_pool",
      fmt::format("novel_pool {} is not a multiple of n_labels {}: every label owns the same number of novel classes",
                  c.novel_pool, c.n_labels));
}

void burst_rules(const IclClassificationConfig& c, const Require& require) {
  std::string divisors;
  for (std::int64_t b = 1; b < c.n_pairs; ++b) {
    if (c.n_pairs % b == 0) divisors += fmt::format("{}, ", b);
  }
  require(
      burstiness_fits(c), "burstiness",
      c.burstiness > 0
          ? fmt::format("burstiness {} must divide n_pairs {} and be less: use {}or 0 for no bursts", c.burstiness,
                        c.n_pairs, divisors)
          : fmt::format("burstiness 0 repeats each novel class n_pairs / 2 times, and n_pairs {} is odd", c.n_pairs));
  if (!burstiness_fits(c)) return;
  require(!c.distinct_labels || c.n_context_classes() <= c.n_labels, "distinct_labels",
          fmt::format("a context of n_pairs {} with burstiness {} has {} classes, which cannot all have distinct "
                      "labels with n_labels {}",
                      c.n_pairs, c.burstiness, c.n_context_classes(), c.n_labels));
  if (c.target_in_context) return;
  require(c.n_classes > c.n_context_classes(), "target_in_context",
          fmt::format("a context of {} classes leaves none of n_classes {} for the target outside it",
                      c.n_context_classes(), c.n_classes));
  require(c.p_novel == 0 && c.p_novel_end.value_or(0) == 0, "target_in_context",
          fmt::format("nothing tells the label of a novel target that is not in the context: set p_novel {} and "
                      "p_novel_end {} to 0",
                      c.p_novel, c.p_novel_end ? fmt::format("{}", *c.p_novel_end) : "null"));
}

void class_rules(const IclClassificationConfig& c, const Require& require) {
  require(c.n_common < c.n_classes, "n_common",
          fmt::format("n_common {} leaves no rare class of n_classes {}", c.n_common, c.n_classes));
  require(c.exemplars == 0 || c.within_class_noise > 0, "exemplars",
          fmt::format("exemplars {} are different items of a class, and with within_class_noise 0 all its items are "
                      "alike: set exemplars 0, or some noise",
                      c.exemplars));
  if (!c.p_common) return;
  require(c.n_common > 0, "p_common",
          fmt::format("p_common {} is the share of the common classes, and n_common is 0", *c.p_common));
  require(*c.p_common > 0 && *c.p_common < 1, "p_common",
          fmt::format("p_common {} leaves common or rare classes out: use a value between 0 and 1", *c.p_common));
  require(c.zipf_exponent == 0, "p_common",
          fmt::format("p_common {} and zipf_exponent {} both say how often a class is drawn: set zipf_exponent 0, or "
                      "p_common null to have n_common split the Zipf law into head and tail",
                      *c.p_common, c.zipf_exponent));
}

void relabel_rules(const IclClassificationConfig& c, const Require& require) {
  require(c.relabelled() || c.relabel_held_out == 0, "relabel_held_out",
          fmt::format("relabel_held_out {} needs label_law: relabelled", c.relabel_held_out));
  if (!c.relabelled()) return;
  require(c.burstiness > 0 && c.p_bursty == 1, "label_law",
          fmt::format("relabelled needs the target's class in every context: set p_bursty {} to 1 and burstiness {} to "
                      "at least 1",
                      c.p_bursty, c.burstiness));
  require(c.target_in_context, "label_law",
          "relabelled needs the target's class in every context: set target_in_context true");
  require(c.labels_per_class == 1, "label_law",
          fmt::format("relabelled gives a class any label: set labels_per_class {} to 1", c.labels_per_class));
  require(c.n_maps == 1, "label_law", fmt::format("relabelled gives a class any label: set n_maps {} to 1", c.n_maps));
  if (c.relabel_held_out == 0 || !burstiness_fits(c)) return;
  const std::int64_t needed = c.distinct_labels ? c.n_context_classes() : 1, held_out = c.n_held_out();
  require(
      held_out >= needed && c.n_labels - held_out >= needed, "relabel_held_out",
      fmt::format("relabel_held_out {} of n_labels {} is {} labels a class; a context needs {} to choose from, both "
                  "among these and among the others",
                  c.relabel_held_out, c.n_labels, held_out, needed));
}

void label_rules(const IclClassificationConfig& c, const Require& require) {
  require(c.labels_per_class == 1 || (c.labels_per_class < c.n_labels && c.n_labels % c.labels_per_class == 0),
          "labels_per_class",
          fmt::format("labels_per_class {} must divide n_labels {} and be less", c.labels_per_class, c.n_labels));
  require(c.n_maps <= c.n_labels, "n_maps",
          fmt::format("n_maps {} is more than n_labels {}: map tau moves labels on by tau, modulo n_labels", c.n_maps,
                      c.n_labels));
  require(c.map_zipf_exponent == 0 || c.n_maps > 1, "map_zipf_exponent",
          fmt::format("map_zipf_exponent {} needs n_maps of at least 2", c.map_zipf_exponent));
}

void schedule_rules(const IclClassificationConfig& c, const Require& require) {
  require(c.p_novel_end.has_value() == (c.p_novel_steps > 0), "p_novel_steps",
          fmt::format("p_novel_end {} with p_novel_steps {}: give both, the steps at least 1, or neither",
                      c.p_novel_end ? fmt::format("{}", *c.p_novel_end) : "null", c.p_novel_steps));
  require(!c.redraw_steps || c.redraw_every > 0, "redraw_steps",
          fmt::format("redraw_steps {} needs redraw_every of at least 1", c.redraw_steps.value_or(0)));
  require(c.redraw_every == 0 || c.p_novel < 1 || c.p_novel_end.value_or(1) < 1, "redraw_every",
          fmt::format("redraw_every {} draws known classes anew, and with p_novel 1 training shows none: set "
                      "redraw_every 0, or p_novel below 1",
                      c.redraw_every));
}

}  // namespace

void IclClassificationConfig::rules(const Require& require) const {
  size_rules(*this, require);
  burst_rules(*this, require);
  class_rules(*this, require);
  label_rules(*this, require);
  relabel_rules(*this, require);
  schedule_rules(*this, require);
}

}  // namespace saltus
