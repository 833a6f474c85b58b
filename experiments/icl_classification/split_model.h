#pragma once
#include "data/icl_classification.h"
#include "experiments/icl_classification/classifier.h"
#include "experiments/icl_classification/scalars.h"

namespace saltus::icl_classification {

/// The one-layer model of Nguyen & Reddy 2024 (arXiv 2412.00104), two predictors of a binary label whose logits are
/// added: an MLP that sees the target alone, and attention of two numbers that sees the context alone. They meet in the
/// loss only, where each takes away what the other would learn from.
struct SplitConfig : ClassifierConfig {
  std::string parts = "both";
  ScalarConfig content_match, copy;

  void fields(Fields& f);
  bool in_context() const { return parts != "in_weights"; }
  bool in_weights() const { return parts != "in_context"; }
};

/// Records the model for `batch` sequences and returns the mean logistic loss. With x_j the items' contents and l_j =
/// +-1 the labels shown (label 1 is +1), x_t the target's content and beta, w the two numbers:
///   z_c = w sum_j p_j l_j,  p_j ~ exp(beta x_t . x_j) over the N pairs;   z_w = MLP(x_t);   loss = ln(1 + exp(-l (z_c
///   + z_w)))
/// Of the paper we know the form of the logit, not all of its details. Ours are: the target does not attend to itself;
/// the MLP is the classifier of Reddy 2024 with one output; beta and w start at 0. Inputs: tokens [batch, position,
/// d_model], label [batch], context_labels [batch, pair]. Taps: in_context_logit (z_c) and in_weights_logit (z_w)
/// [batch, 1], 0 where the part is left out; logits [batch, 2] = -+(z_c + z_w) / 2; and, with the part in context,
/// content_match and copy_weight [1], pattern (p) [batch, pair].
Var record_split(Graph& graph, ParamStore& params, const IclClassificationConfig& task, const SplitConfig& model,
                 std::int64_t batch);

/// Logistic loss and accuracy of the whole and of either part alone, and where the part in context looks. Ties go to
/// label 0.
class SplitProbe : public Probe {
 public:
  /// `in_context`: the model has that part.
  SplitProbe(const IclClassificationConfig& task, bool in_context) : n_pairs_(task.n_pairs), in_context_(in_context) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  std::int64_t n_pairs_;
  bool in_context_;
};

}  // namespace saltus::icl_classification
