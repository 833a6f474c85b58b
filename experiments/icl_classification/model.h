#pragma once
#include <cstdint>
#include <optional>

#include "config/fields.h"
#include "data/icl_classification.h"
#include "nn/params.h"
#include "train/system.h"

namespace saltus::icl_classification {

/// The network of Reddy 2024 (arXiv 2312.03002, eqs. 1-3) at the defaults: 151,555 parameters on the default task. Every other value
/// is a named departure from it.
struct ModelConfig {
  std::int64_t n_layers = 2;
  std::int64_t n_heads = 1;
  std::optional<std::int64_t> d_head;
  bool scale_attention = false;
  bool output_projection = false;
  bool layer_norm = false;
  std::int64_t block_mlp = 0;
  std::int64_t classifier_layers = 3;
  std::int64_t classifier_width = 128;
  std::string classifier_bias = "scalar";
  bool trainable_labels = false;

  void fields(Fields& f);
  std::int64_t head_size(std::int64_t d_model) const { return d_head.value_or(d_model / n_heads); }
};

/// Records the model for `batch` sequences and returns the mean cross-entropy at the target token.
/// Inputs: tokens [batch, position, d_model], label [batch], and context_labels [batch, pair] with trainable_labels.
/// Taps: blocks.{l}.attn.pattern [head, batch, query, key], blocks.{l}.resid_post [batch, position, d_model], logits [batch, label].
/// Unless for Purpose::measure the last layer is computed at the last token only, which is all that the loss depends on; its pattern then has
/// one query.
Var record(Graph& graph, ParamStore& params, const IclClassificationConfig& task, const ModelConfig& model, std::int64_t batch,
           Purpose purpose);

}  // namespace saltus::icl_classification
