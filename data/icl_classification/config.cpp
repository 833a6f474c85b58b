#include "data/icl_classification/config.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace saltus {
namespace {

constexpr double most = std::numeric_limits<std::int32_t>::max();

void size_fields(Fields& f, IclClassificationConfig& c) {
  f.field("n_classes", c.n_classes, "item classes (K), a multiple of n_labels", between(1, most));
  f.field("n_labels", c.n_labels, "labels (L)", between(1, most));
  f.field("n_pairs", c.n_pairs, "item-label pairs in the context (N); a sequence has 2N+1 tokens", between(2, 4096));
  f.field("max_pairs", c.max_pairs, "longest context that the position code holds (N_max); it takes 2 N_max + 1 dims",
          between(2, 4096));
  f.field("item_dim", c.item_dim, "content dims of a token (D)", between(1, 65536));
}

void class_fields(Fields& f, IclClassificationConfig& c) {
  f.field("within_class_noise", c.within_class_noise, "size of an item's noise relative to its class centre (epsilon)",
          at_least(0));
  f.field("exemplars", c.exemplars,
          "different items of a class, fixed for as long as the class is: every item is one of them; 1: items of a "
          "class are all alike; 0: fresh noise for every item",
          between(0, most));
  f.field("zipf_exponent", c.zipf_exponent,
          "class k has probability ~ (k+1)^-alpha outside bursts; 0 is uniform (alpha)", at_least(0));
  f.field("n_common", c.n_common,
          "classes 0..n_common-1 are the common ones, the others rare: test sets iw_common and iw_rare; 0: none",
          between(0, most));
  f.field("p_common", c.p_common,
          "probability of a common class outside bursts, uniform among the common and among the rare ones; null: the "
          "Zipf law",
          between(0, 1));
}

void sequence_fields(Fields& f, IclClassificationConfig& c) {
  f.field("burstiness", c.burstiness,
          "copies of each class in a bursty context (B), a divisor of n_pairs; 0: known classes never burst, novel "
          "ones and the sets ic, ic2 and ciwl take B = N/2",
          at_least(0));
  f.field("p_bursty", c.p_bursty, "fraction of bursty sequences among those of known classes (p_B)", between(0, 1));
  f.field("p_novel", c.p_novel, "fraction of sequences made of novel classes, always bursty (p_C)", between(0, 1));
  f.field("p_novel_end", c.p_novel_end,
          "p_novel moves to this value, linearly over p_novel_steps training steps, and stays; null: it does not move",
          between(0, 1));
  f.field("p_novel_steps", c.p_novel_steps, "training steps that p_novel takes to p_novel_end", between(0, most));
  f.field("novel_pool", c.novel_pool, "novel classes drawn afresh each step (K_c), a multiple of n_labels",
          between(1, most));
  f.field("distinct_labels", c.distinct_labels, "no two classes of a bursty context share a label (no_repeats)");
  f.choice("burst_class_law", c.burst_class_law, {"uniform", "zipf"},
           "law of the known classes in a bursty context; zipf: the law outside bursts. zipf with distinct_labels: one "
           "after the other from that law restricted to the classes whose label is not taken yet. Novel classes are "
           "uniform");
  f.field("target_in_context", c.target_in_context,
          "the target of a bursty sequence is of a class in the context; false: uniformly of one that is not, so that "
          "nothing can be copied (Minegishi et al. 2025)");
}

void label_fields(Fields& f, IclClassificationConfig& c) {
  f.choice("label_law", c.label_law, {"fixed", "relabelled"},
           "fixed: a class has its label for ever; relabelled: every sequence draws its classes' labels afresh, so "
           "that only the context tells them (Singh et al. 2024)");
  f.field("relabel_held_out", c.relabel_held_out,
          "with relabelled: share of every class's labels that training never shows it with; test set held_out",
          between(0, 1));
  f.field("labels_per_class", c.labels_per_class,
          "labels of a class, of which each sequence draws one (Chan et al. 2022: label multiplicity); a divisor of "
          "n_labels",
          between(1, most));
  f.field("n_maps", c.n_maps,
          "each sequence draws a map tau in 0..n_maps-1, and its labels are (label + tau) mod L (Minegishi et al. "
          "2025); 1: one map for all",
          between(1, most));
  f.field("map_zipf_exponent", c.map_zipf_exponent, "map tau has probability ~ (tau+1)^-alpha; 0 is uniform",
          at_least(0));
}

void schedule_fields(Fields& f, IclClassificationConfig& c) {
  f.field("random_label_steps", c.random_label_steps,
          "in the training steps before this one the label that is asked is that of any pair of the context, so that "
          "only which labels there are can be learned",
          between(0, most));
  f.field(
      "redraw_every", c.redraw_every,
      "centres of the known classes are drawn anew every so many training steps (Anand et al. 2024: forgetting); 0: "
      "never",
      between(0, most));
  f.field("redraw_steps", c.redraw_steps,
          "training step from which on classes are those of the test sets and stay; null: redrawn for ever",
          between(1, most));
}

}  // namespace

void IclClassificationConfig::fields(Fields& f) {
  size_fields(f, *this);
  class_fields(f, *this);
  sequence_fields(f, *this);
  label_fields(f, *this);
  schedule_fields(f, *this);
  f.choice("position_shift", position_shift, {"random", "none"},
           "random: the sequence starts anywhere in the position code; none: at 0");
  rules([&f](bool ok, const char* key, const std::string& message) { f.require(ok, key, message); });
}

std::int64_t IclClassificationConfig::n_held_out() const {
  return std::llround(relabel_held_out * static_cast<double>(n_labels));
}

}  // namespace saltus
