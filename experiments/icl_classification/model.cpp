#include "experiments/icl_classification/model.h"

#include <fmt/format.h>

#include <cmath>

#include "nn/attention.h"

namespace saltus::icl_classification {
namespace {

/// What recording needs throughout.
struct Recorder {
  Graph& graph;
  ParamStore& params;
  const IclClassificationConfig& task;
  const ModelConfig& model;
  std::int64_t d_model = task.d_model();

  // Q, K and V ~ N(0, 1/D): D counts the content dimensions only (section 2.2).
  AttentionWeights attention_weights(const std::string& name) const {
    const std::int64_t d_head = model.head_size(d_model), d_value = model.output_projection ? d_head : d_model;
    const Init init = Init::normal(1 / std::sqrt(static_cast<double>(task.item_dim)));
    AttentionWeights w;
    w.W_Q = params.declare(graph, name + ".W_Q", {model.n_heads, d_model, d_head}, {"head", "d_model", "d_head"}, init);
    w.W_K = params.declare(graph, name + ".W_K", {model.n_heads, d_model, d_head}, {"head", "d_model", "d_head"}, init);
    w.W_V = params.declare(graph, name + ".W_V", {model.n_heads, d_model, d_value},
                           {"head", "d_model", model.output_projection ? "d_head" : "d_model_out"}, init);
    if (model.output_projection) {
      w.W_O = params.declare(graph, name + ".W_O", {model.n_heads, d_head, d_model}, {"head", "d_head", "d_model"}, init);
    }
    return w;
  }

  Var normalised(Var x, const std::string& name) const {
    if (!model.layer_norm) return x;
    const Var gain = params.declare(graph, name + ".gain", {d_model}, {"d_model"}, Init::constant(1));
    return layer_norm(x, gain, params.declare(graph, name + ".bias", {d_model}, {"d_model"}, Init::constant(0)));
  }

  /// x [batch, position, d_model] + MLP(x), one hidden ReLU layer of block_mlp units.
  Var block_mlp(Var x, const std::string& name) const {
    const Scope scope(graph, name + ".mlp");
    const Var in = params.declare(graph, name + ".mlp.W_in", {d_model, model.block_mlp}, {"d_model", "d_mlp"},
                                  Init::normal(std::sqrt(2 / static_cast<double>(d_model))));
    const Var out = params.declare(graph, name + ".mlp.W_out", {model.block_mlp, d_model}, {"d_mlp", "d_model"},
                                   Init::normal(1 / std::sqrt(static_cast<double>(model.block_mlp))));
    return x + matmul(relu(matmul(normalised(x, name + ".ln_mlp"), in)), out);
  }

  /// Adds to every label token a trainable offset of its label vector, zero at the start.
  Var with_trainable_labels(Var tokens, std::int64_t batch) const {
    if (!model.trainable_labels) return tokens;
    const Var table = params.declare(graph, "embed.label_offset", {task.n_labels, task.item_dim}, {"label", "d_item"}, Init::constant(0));
    const Var ids = graph.input("context_labels", {batch, task.n_pairs}, DType::i32);
    const Var content = pad(take(table, ids), -1, task.position_dim(), 0);                                // [batch, pair, d_model]
    const Var pairs = pad(reshape(content, {batch, task.n_pairs, 1, d_model}), 2, 1, 0);                   // [batch, pair, 2, d_model]
    return tokens + pad(reshape(pairs, {batch, 2 * task.n_pairs, d_model}), 1, 0, 1);
  }

  /// The target's representation w_n [batch, d_model] to logits [batch, label]: ReLU layers and a linear read-out.
  Var classify(Var x) const {
    const Scope scope(graph, "classifier");
    const std::int64_t width = model.classifier_width;
    for (std::int64_t i = 0; i < model.classifier_layers; ++i) {
      const std::string name = fmt::format("classifier.{}", i);
      const std::int64_t fan_in = x.shape()[-1];
      const std::string in = i == 0 ? "d_model" : "d_hidden", out = i == 0 ? "d_hidden" : "d_hidden_out";
      x = matmul(x, params.declare(graph, name + ".W", {fan_in, width}, {in, out}, Init::normal(std::sqrt(2 / static_cast<double>(fan_in)))));
      const Init bias = Init::normal(1 / std::sqrt(static_cast<double>(d_model)));
      if (model.classifier_bias == "scalar") x = x + params.declare(graph, name + ".b", {1}, {"scalar"}, bias);
      if (model.classifier_bias == "per_unit") x = x + params.declare(graph, name + ".b", {width}, {"d_hidden"}, bias);
      x = relu(x);
    }
    return matmul(x, params.declare(graph, "unembed.W_U", {x.shape()[-1], task.n_labels},
                                    {model.classifier_layers == 0 ? "d_model" : "d_hidden", "label"},
                                    Init::normal(1 / std::sqrt(static_cast<double>(d_model)))));
  }
};

}  // namespace

void ModelConfig::fields(Fields& f) {
  f.field("n_layers", n_layers, "attention layers", between(1, 16));
  f.field("n_heads", n_heads, "heads a layer", between(1, 64));
  f.field("d_head", d_head, "width of queries and keys; null: d_model / n_heads", at_least(1));
  f.field("scale_attention", scale_attention, "divide scores by sqrt(d_head); the paper does not");
  f.field("output_projection", output_projection, "values of width d_head and a matrix W_O; false: W_V maps d_model to d_model, as in the paper");
  f.field("layer_norm", layer_norm, "normalise what each block and the classifier read; the paper does not");
  f.field("block_mlp", block_mlp, "hidden units of an MLP after each attention layer; 0: none, as in the paper", at_least(0));
  f.field("classifier_layers", classifier_layers, "ReLU layers between the target's representation and the read-out", at_least(0));
  f.field("classifier_width", classifier_width, "units in each of them", at_least(1));
  f.choice("classifier_bias", classifier_bias, {"scalar", "per_unit", "none"}, "one bias shared by a layer's units (the paper), one a unit, or none");
  f.field("trainable_labels", trainable_labels, "train an offset to each label vector; the paper keeps them fixed");
}

Var record(Graph& graph, ParamStore& params, const IclClassificationConfig& task, const ModelConfig& model, std::int64_t batch,
           Purpose purpose) {
  const Recorder r{graph, params, task, model};
  Residual x = r.with_trainable_labels(graph.input("tokens", {batch, task.n_tokens(), r.d_model}), batch);  // [batch, position, d_model]
  for (std::int64_t l = 0; l < model.n_layers; ++l) {
    const std::string block = fmt::format("blocks.{}", l);
    AttentionOptions options;
    if (model.scale_attention) options.scale = 1 / std::sqrt(static_cast<double>(model.head_size(r.d_model)));
    options.last_query_only = purpose != Purpose::measure && l + 1 == model.n_layers;
    const AttentionWeights weights = r.attention_weights(block + ".attn");
    {
      const Scope scope(graph, block + ".attn");
      const Residual read = model.layer_norm ? Residual(r.normalised(x.value(), block + ".ln")) : x;
      const AttentionOutput attention = causal_attention(read, weights, options);
      graph.tap("pattern", attention.pattern);
      const bool as_terms = attention.context && !weights.W_O && !options.last_query_only;
      x = as_terms ? x.plus(attention.context, weights.W_V) : Residual(x.last(options.last_query_only ? 1 : task.n_tokens()) + attention.out);
    }
    if (model.block_mlp > 0) x = r.block_mlp(x.value(), block);
    graph.tap(block + ".resid_post", x.value());
  }
  const Var target = reshape(r.normalised(x.last(1), "ln_final"), {batch, r.d_model});
  const Var logits = r.classify(target);  // [batch, label]
  graph.tap("logits", logits);
  return mean_all(softmax_cross_entropy(logits, graph.input("label", {batch}, DType::i32)));
}

}  // namespace saltus::icl_classification
