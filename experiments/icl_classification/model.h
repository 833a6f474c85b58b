#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "data/icl_classification.h"
#include "experiments/icl_classification/classifier.h"
#include "nn/params.h"
#include "train/system.h"

namespace saltus::icl_classification {

/// The network of Reddy 2024 (arXiv 2312.03002, eqs. 1-3) at the defaults: 151,555 parameters on the default task. Every other value
/// is a named departure from it.
struct ModelConfig : ClassifierConfig {
  std::int64_t n_layers = 2;
  std::int64_t n_heads = 1;
  std::optional<std::int64_t> d_head;
  bool scale_attention = false;
  bool output_projection = false;
  bool layer_norm = false;
  std::int64_t block_mlp = 0;
  bool trainable_labels = false;
  std::vector<std::string> clamps;  // as parse_clamp reads them
  bool context_labels_only = false;
  bool circuit_losses = false;

  void fields(Fields& f);
  std::int64_t head_size(std::int64_t d_model) const { return d_head.value_or(d_model / n_heads); }
};

/// Records the model for `batch` sequences and returns the mean cross-entropy at the target token.
/// Inputs: tokens [batch, position, d_model], label [batch]; context_labels [batch, pair], which must be the labels that
/// the tokens show, since equal ones are multiplied once (with layer_norm it is read with trainable_labels and
/// context_labels_only alone); context_match [batch, pair] with clamps of what is of the target's class.
/// Taps: blocks.{l}.attn.pattern [head, batch, query, key], as clamped, blocks.{l}.resid_post [batch, position, d_model],
/// logits [batch, label]; with circuit_losses, for Purpose::measure, restricted.logits, excluded.logits and weight_norm
/// [], and the first ones under these scopes.
/// Unless for Purpose::measure the last layer is computed at the last token only, which is all that the loss depends on;
/// its pattern then has one query.
Var record(Graph& graph, ParamStore& params, const IclClassificationConfig& task, const ModelConfig& model, std::int64_t batch,
           Purpose purpose);

}  // namespace saltus::icl_classification
