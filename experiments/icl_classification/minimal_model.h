#pragma once
#include "data/icl_classification.h"
#include "experiments/icl_classification/classifier.h"
#include "experiments/icl_classification/scalars.h"
#include "train/system.h"

namespace saltus::icl_classification {

/// The minimal model of Reddy 2024 (arXiv 2312.03002): attention of both layers reduced to three numbers; the
/// classifier stays. With `labels` held at 0 it is the paper's two-parameter model.
struct MinimalConfig : ClassifierConfig {
  ScalarConfig previous_token, match, labels;
  double scalar_scale = 1;
  std::string classifier_input = "pair";

  void fields(Fields& f);
};

/// Records the model for `batch` sequences and returns the mean cross-entropy at the target. It reads contents c_i
/// [item_dim] alone: positions enter through the two layers' hand-made scores. With tokens i, j counted from 0, the
/// target n last, beta_1, alpha and beta_2 the three numbers:
///   p1_ij ~ exp(beta_1 [j = i-1]),                          j <= i;   b_i = sum_j p1_ij c_j, beside c_i and not added
///   to it p2_ij ~ exp(alpha c_i . b_j + beta_2 [i-j odd]),        j <= i;   o = sum_j p2_nj c_j logits = classifier of
///   the pair (c_n, o), or of c_n + o
/// [n-j odd] picks the label tokens. The paper's starting values and whether its classifier reads the pair or the sum
/// are not known to us: 0 and the pair are ours. Inputs: tokens [batch, position, d_model], label [batch]. Taps:
/// blocks.{0,1}.attn.pattern [1, batch, query, key], previous_token_strength, match_strength and label_strength [1],
/// logits [batch, label]. Unless for Purpose::measure layer 2 has one query, the target.
Var record_minimal(Graph& graph, ParamStore& params, const IclClassificationConfig& task, const MinimalConfig& model,
                   std::int64_t batch, Purpose purpose);

}  // namespace saltus::icl_classification
