#include "experiments/icl_classification/model.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "experiments/icl_classification/circuit_losses.h"
#include "experiments/icl_classification/clamps.h"
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
    const Var content = pad(take(table, context_labels(batch)), -1, task.position_dim(), 0);  // [batch, pair, d_model]
    const Var pairs = pad(reshape(content, {batch, task.n_pairs, 1, d_model}), 2, 1, 0);                   // [batch, pair, 2, d_model]
    return tokens + pad(reshape(pairs, {batch, 2 * task.n_pairs, d_model}), 1, 0, 1);
  }

  /// Labels shown, [batch, pair].
  Var context_labels(std::int64_t batch) const {
    return graph.input("context_labels", {batch, task.n_pairs}, DType::i32);
  }

  std::vector<Clamp> clamps() const {
    std::vector<Clamp> parsed;
    for (const std::string& text : model.clamps) {
      parsed.push_back(parse_clamp(text, model.n_layers, model.n_heads));
      check_input(parsed.back().problem.empty(), "clamps: '{}': {}", text, parsed.back().problem);
    }
    return parsed;
  }

  /// What context_labels_only adds to the logits: 0 at labels shown, -10,000 elsewhere, [batch, label].
  Var outside_context(std::int64_t batch) const {
    const Var shown = gate(graph.constant(1), sum(one_hot(context_labels(batch), task.n_labels), 1));  // [batch, label]
    return 1e4 * shown - 1e4;
  }

  Var logits(std::int64_t batch, Purpose purpose) const;
};

/// [batch, label], with the taps of model.h under the current scope.
Var Recorder::logits(std::int64_t batch, Purpose purpose) const {
  Residual x = with_trainable_labels(graph.input("tokens", {batch, task.n_tokens(), d_model}), batch);  // [batch, position, d_model]
  const std::vector<Clamp> all_clamps = clamps();
  for (std::int64_t l = 0; l < model.n_layers; ++l) {
    const std::string block = fmt::format("blocks.{}", l);
    AttentionOptions options;
    if (model.scale_attention) options.scale = 1 / std::sqrt(static_cast<double>(model.head_size(d_model)));
    options.last_query_only = purpose != Purpose::measure && l + 1 == model.n_layers;
    if (l == 0 && !model.layer_norm) {
      options.one_hot = task.position_dim();
      options.repeated = {context_labels(batch),
                          task.n_labels};  // a label's token is one of n_labels vectors at some position
    }
    options.pattern = clamped_pattern(all_clamps, l, task.n_pairs);
    const AttentionWeights weights = attention_weights(block + ".attn");
    {
      const Scope scope(graph, block + ".attn");
      const Residual read = model.layer_norm ? Residual(normalised(x.value(), block + ".ln")) : x;
      const AttentionOutput attention = causal_attention(read, weights, options);
      graph.tap("pattern", attention.pattern);
      const bool as_terms = attention.read && !weights.W_O && !options.last_query_only;
      x = as_terms ? x.plus(attention.pattern, attention.read, weights.W_V)
                   : Residual(x.last(options.last_query_only ? 1 : task.n_tokens()) + attention.out);
    }
    if (model.block_mlp > 0) x = block_mlp(x.value(), block);
    graph.tap(block + ".resid_post", x.value());
  }
  const Var target = reshape(normalised(x.last(1), "ln_final"), {batch, d_model});
  Var y = classify(graph, params, model, task.n_labels, target, "d_model");  // [batch, label]
  if (model.context_labels_only) y = y + outside_context(batch);
  graph.tap("logits", y);
  return y;
}

/// The taps of circuit_losses: "restricted.logits", "excluded.logits", "weight_norm".
void record_circuits(const Recorder& r, std::int64_t batch) {
  for (const Circuit& circuit : circuits()) {
    const Scope scope(r.graph, circuit.name);
    ModelConfig altered = r.model;
    altered.clamps.insert(altered.clamps.end(), circuit.clamps.begin(), circuit.clamps.end());
    Recorder{r.graph, r.params, r.task, altered}.logits(batch, Purpose::evaluate);
  }
  Var squares = r.graph.constant(0);  // []
  for (const ParamSpec& spec : r.params.specs()) {
    const Var w = r.graph.param(spec.name, spec.shape);
    squares = squares + sum_all(w * w);
  }
  r.graph.tap("weight_norm", sqrt(squares));
}

}  // namespace

void ModelConfig::fields(Fields& f) {
  f.field("n_layers", n_layers, "attention layers", between(1, 16));
  f.field("n_heads", n_heads, "heads a layer", between(1, 64));
  f.field("d_head", d_head, "width of queries and keys; null: d_model / n_heads", at_least(1));
  f.field("scale_attention", scale_attention, "divide scores by sqrt(d_head); the paper does not");
  f.field("output_projection", output_projection, "values of width d_head and a matrix W_O; false: W_V maps d_model to d_model, as in the paper");
  f.field("layer_norm", layer_norm, "normalise what each block and the classifier read; the paper does not");
  f.field("block_mlp", block_mlp, "hidden units of an MLP after each attention layer; 0: none, as in the paper", at_least(0));
  classifier_fields(f);
  f.field("trainable_labels", trainable_labels, "train an offset to each label vector; the paper keeps them fixed");
  f.field("clamps", clamps,
          "attention patterns put in place of trained ones, in training or, with `saltus eval`, in a trained run: \"layer.head pattern "
          "[strength] [queries]\", as in [\"0.0 previous_token 0.5 labels\", \"1.* zero\"]. Patterns: previous_token, own_item, induction, "
          "labels, items, uniform, self, zero, not_previous, not_induction, only_labels (experiments/icl_classification/clamps.h)");
  for (std::size_t i = 0; i < clamps.size(); ++i) {
    const std::string problem = parse_clamp(clamps[i], n_layers, n_heads).problem;
    f.require(problem.empty(), "clamps", fmt::format("entry {}, '{}': {}", i, clamps[i], problem));
  }
  f.field("context_labels_only", context_labels_only,
          "take 10,000 off the logits of labels that the context does not show, so that none of them is ever named");
  f.field("circuit_losses", circuit_losses,
          "also measure the progress set with nothing but an ideal induction circuit (restricted) and without attention to the right labels "
          "(excluded), and the norm of all weights; for two layers");
  f.require(!circuit_losses || n_layers == 2, "circuit_losses",
            fmt::format("the induction circuit is one of two layers, and n_layers is {}", n_layers));
}

Var record(Graph& graph, ParamStore& params, const IclClassificationConfig& task, const ModelConfig& model, std::int64_t batch,
           Purpose purpose) {
  const Recorder r{graph, params, task, model};
  const Var logits = r.logits(batch, purpose);  // [batch, label]
  if (model.circuit_losses && purpose == Purpose::measure) record_circuits(r, batch);
  return mean_all(softmax_cross_entropy(logits, graph.input("label", {batch}, DType::i32)));
}

}  // namespace saltus::icl_classification
