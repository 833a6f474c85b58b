#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/rng.h"
#include "data/icl_classification/class_draws.h"
#include "data/icl_classification/config.h"
#include "data/icl_classification/items.h"
#include "data/icl_classification/label_draws.h"
#include "data/icl_classification/recipe.h"
#include "data/task.h"

namespace saltus {

/// In-context classification (Reddy 2024, arXiv 2312.03002, section 2): N item-label pairs, then a target item whose
/// label is asked. Classes are Gaussian clusters in R^D; class k has label k mod L for ever, so a network can memorise
/// the map (in-weights), or read the answer off the context (in-context) when the target's class is there, as it is in
/// bursty sequences. Knobs that are off by default change what classes, labels and items are; data/README.md lists
/// them.
///
/// Arrays of a sample, in the order of fields():
///   tokens         f32 [position = 2N+1, d_model = P+D]  one-hot position, then content; item, label, ..., target item
///   label          i32 []                                the right answer, in 0..L-1
///   context_labels i32 [pair = N]                        label l shown with each context item: label_vector(l)
///   context_match  i32 [pair = N]                        1 where the item is of the target's class
class IclClassification : public Task {
 public:
  enum Field { tokens_field, label_field, context_labels_field, context_match_field };

  /// Throws when `config` breaks a rule between its keys. That each key is in its range was checked where it was read.
  IclClassification(const IclClassificationConfig& config, const Seeds& seeds);

  std::vector<SampleField> fields() const override;
  /// Those sets that mean something for the config (data/README.md): by default iid, ic, ic2, iw, and ciwl when it can
  /// be made (K >= 2L and G <= L).
  std::vector<std::string> eval_sets() const override;
  void sample_train(std::int64_t step, int first, const Batch& batch) const override;
  void sample_eval(int set, int first, const Batch& batch) const override;

  const IclClassificationConfig& config() const { return config_; }
  /// mu_k [item_dim], components N(0, 1/D): the centre of class k, of the classes that stay.
  std::span<const float> centre(int k) const { return items_.centre(static_cast<std::size_t>(k)); }
  /// lambda_l [item_dim], components N(0, 1/D): the content of a token that shows label l.
  std::span<const float> label_vector(int l) const { return items_.label_vector(static_cast<std::size_t>(l)); }

 private:
  void sample(const icl::Recipe& recipe, const Rng& rng, std::uint32_t step, int first, const Batch& batch) const;

  IclClassificationConfig config_;
  Rng data_rng_, eval_rng_;
  icl::ClassDraws classes_;
  icl::LabelDraws labels_;
  icl::Items items_;
  std::vector<icl::TestSet> test_sets_;
};

}  // namespace saltus
