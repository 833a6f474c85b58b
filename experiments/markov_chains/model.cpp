#include "experiments/markov_chains/model.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "experiments/markov_chains/relative.h"

namespace saltus::markov_chains {
namespace {

struct Recorder {
  Graph& graph;
  ParamStore& params;
  const MarkovChainsConfig& task;
  const ModelConfig& model;
  std::int64_t batch;
  std::int64_t T = task.length, heads = model.n_heads;
  std::int64_t d_model = model.d_model + (model.positions == "one_hot" ? task.length : 0);
  std::int64_t d_head = model.d_model / model.n_heads;

  Var matrix(const std::string& name, Shape shape, std::vector<std::string> dims) const {
    return params.declare(graph, name, std::move(shape), std::move(dims), Init::normal(model.init_std));
  }

  /// [batch, position, d_model]
  Var embedded(Var tokens) const {
    const char* width = model.positions == "one_hot" ? "d_embed" : "d_model";  // an axis' name stands for one length
    const Var x = take(matrix("embed.W_E", {task.states, model.d_model}, {"state", width}), tokens);
    if (model.positions == "learned") return x + matrix("embed.W_pos", {T, model.d_model}, {"position", "d_model"});
    if (model.positions != "one_hot") return x;
    std::vector<double> places(static_cast<std::size_t>(T * d_model));
    for (std::int64_t t = 0; t < T; ++t) places[static_cast<std::size_t>(t * d_model + model.d_model + t)] = 1;
    return pad(x, -1, 0, T) + graph.constant(std::move(places), {T, d_model});
  }

  /// x [1, batch position, d_model] through a head's matrix: [head, batch, position, d_head].
  Var projected(Var rows, const std::string& name) const {
    const Var W = matrix(name, {heads, d_model, d_head}, {"head", "d_model", "d_head"});
    return reshape(matmul(rows, W), {heads, batch, T, d_head});
  }

  /// What positions add to the scores, [head, batch or 1, query, key]; empty where they come with the tokens.
  Var position_scores(Var q, const std::string& name) const {
    if (model.positions == "relative") {
      const Var R = matrix(name + ".R", {heads, T, d_head}, {"head", "distance", "d_head"});
      return by_key(matmul(q, reshape(nearest_last(R), {heads, 1, T, d_head}), false, true));
    }
    if (model.positions == "relative_bias") {
      const Var r = params.declare(graph, name + ".r", {heads, T}, {"head", "distance"}, Init::constant(0));
      return reshape(toeplitz(r), {heads, 1, T, T}) / std::sqrt(static_cast<double>(d_head));
    }
    return {};
  }

  /// What a layer adds to x [batch, position, d_model].
  Var attention(Var x, const std::string& name) const {
    const Scope scope(graph, name);
    const Var rows = reshape(x, {1, batch * T, d_model});
    const Var q =
        projected(rows, name + ".W_Q") / std::sqrt(static_cast<double>(d_head));  // [head, batch, query, d_head]
    Var scores = matmul(q, projected(rows, name + ".W_K"), false, true);          // [head, batch, query, key]
    if (const Var b = position_scores(q, name)) scores = scores + b;
    const Var pattern = causal_softmax(scores);
    graph.tap("pattern", pattern);
    const Var z = matmul(pattern, projected(rows, name + ".W_V"));  // [head, batch, query, d_head]
    const Var W_O = matrix(name + ".W_O", {heads, d_head, d_model}, {"head", "d_head", "d_model"});
    return reshape(sum(matmul(reshape(z, {heads, batch * T, d_head}), W_O), 0), {batch, T, d_model});
  }
};

}  // namespace

void ModelConfig::fields(Fields& f) {
  f.choice(
      "kind", kind, {"attention", "minimal", "minimal_softmax"},
      "attention: layers of it; minimal: one vector and one matrix, linear; minimal_softmax: with softmax and a gain");
  f.field("n_layers", n_layers, "of attention: layers", between(1, 16));
  f.field("n_heads", n_heads, "of attention: heads a layer", between(1, 64));
  f.field("d_model", d_model, "of attention: width of the residual stream, shared out among the heads",
          between(1, 4096));
  f.choice("positions", positions, {"relative", "relative_bias", "learned", "one_hot"},
           "of attention: relative: keys get a vector for each distance; relative_bias: scores get a number; learned: "
           "added to the embedding; one_hot: beside it");
  f.field("init_std", init_std, "of attention: standard deviation of all weights at the start", above(0));
  f.field("v_init", v_init, "of minimal: the vector's entries at the start");
  f.require(is_minimal() || d_model % n_heads == 0, "n_heads",
            fmt::format("n_heads ({}) must divide d_model ({})", n_heads, d_model));
}

Var record_attention(Graph& graph, ParamStore& params, const MarkovChainsConfig& task, const ModelConfig& model,
                     std::int64_t batch) {
  const Recorder r{graph, params, task, model, batch};
  Var x = r.embedded(graph.input("tokens", {batch, task.length}, DType::i32));  // [batch, position, d_model]
  for (std::int64_t l = 0; l < model.n_layers; ++l) x = x + r.attention(x, fmt::format("blocks.{}.attn", l));
  const Var logits = matmul(x, r.matrix("unembed.W_U", {r.d_model, task.states}, {"d_model", "state"}));
  graph.tap("logits", logits);
  return logits;
}

Var record_minimal(Graph& graph, ParamStore& params, const MarkovChainsConfig& task, const ModelConfig& model,
                   std::int64_t batch) {
  const std::int64_t T = task.length, k = task.states;
  const bool with_softmax = model.kind == "minimal_softmax";
  const Var v = params.declare(graph, "minimal.v", {T}, {"distance"}, Init::constant(with_softmax ? 0 : model.v_init));
  const Var W = params.declare(graph, "minimal.W", {k, k}, {"state", "state_before"}, Init::constant(0));
  graph.tap("minimal.v", v);
  graph.tap("minimal.W", W);

  const Var e = one_hot(graph.input("tokens", {batch, T}, DType::i32), k);                 // [batch, position, state]
  const Var before = matmul(with_softmax ? causal_softmax(toeplitz(v)) : toeplitz(v), e);  // [batch, position, state]
  const Var scores = matmul(matmul(e, W), before, false, true);                            // [batch, query, key]
  Var logits;                                                                              // [batch, position, state]
  if (with_softmax) {
    const Var gain = params.declare(graph, "minimal.g", {1}, {"scalar"}, Init::constant(std::numbers::e));
    logits = matmul(causal_softmax(scores), e) * gain;
  } else {
    logits = matmul(scores * causal_mask(graph, T), e);
  }
  graph.tap("logits", logits);
  return logits;
}

Var record(Graph& graph, ParamStore& params, const MarkovChainsConfig& task, const ModelConfig& model,
           std::int64_t batch) {
  const Var logits = model.is_minimal() ? record_minimal(graph, params, task, model, batch)
                                        : record_attention(graph, params, task, model, batch);
  return mean_all(softmax_cross_entropy(logits, graph.input("target", {batch, task.length}, DType::i32)));
}

}  // namespace saltus::markov_chains
