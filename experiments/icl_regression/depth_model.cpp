#include "experiments/icl_regression/depth_model.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "nn/attention.h"

namespace saltus::icl_regression {
namespace {

/// What recording needs throughout.
struct Recorder {
  Graph& graph;
  ParamStore& params;
  const LinearRegressionConfig& task;
  const DepthModelConfig& model;
  std::int64_t batch;
  std::int64_t d = task.input_dim, N = task.n_tasks(), n_answers = task.n_context + 1,
               n_tokens = 2 * task.n_context + 1;

  Init init(std::int64_t fan_in) const {
    return Init::normal(model.init_std.value_or(1 / std::sqrt(static_cast<double>(fan_in))));
  }

  Var bias(const std::string& name, std::int64_t n, const char* dim) const {
    return params.declare(graph, name, {n}, {dim}, Init::constant(0));
  }

  /// tokens [batch, feature, position] to x_1, y_1, ..., x_q: [batch, 2L+1, feature].
  Var interleaved(Var tokens) const {
    const Var columns = permute(tokens, {0, 2, 1});  // [batch, position, feature]
    const Shape one_a_column = {batch, n_answers, 1, d + N};
    const Var x = reshape(pad(slice(columns, 2, 0, d), 2, 0, N), one_a_column);
    const Var y = reshape(pad(slice(columns, 2, d, d + N), 2, d, 0), one_a_column);
    return slice(reshape(concat({x, y}, 2), {batch, 2 * n_answers, d + N}), 1, 0, n_tokens);
  }

  /// [batch, 2L+1, d_model] at the tokens of an x: [batch, L+1, d_model].
  Var at_inputs(Var x) const {
    const Var pairs = reshape(pad(x, 1, 0, 1), {batch, n_answers, 2, model.d_model});
    return reshape(slice(pairs, 2, 0, 1), {batch, n_answers, model.d_model});
  }

  Var normalised(Var x, const std::string& name) const {
    if (!model.layer_norm) return x;
    const Var gain = params.declare(graph, name + ".gain", {model.d_model}, {"d_model"}, Init::constant(1));
    return layer_norm(x, gain, bias(name + ".bias", model.d_model, "d_model"));
  }

  Var embedded(Var tokens) const {
    const Var W_E = params.declare(graph, "embed.W_E", {d + N, model.d_model}, {"feature", "d_model"}, init(d + N));
    const Var x =
        matmul(interleaved(tokens), W_E) + bias("embed.b_E", model.d_model, "d_model");  // [batch, 2L+1, d_model]
    if (!model.positions) return x;
    const std::int64_t room = 2 * model.max_context.value_or(task.n_context) + 1;
    check_input(n_tokens <= room, "a context of {} is longer than model.max_context, {}", task.n_context,
                (room - 1) / 2);
    const Var table =
        params.declare(graph, "embed.W_pos", {room, model.d_model}, {"token", "d_model"}, init(model.d_model));
    return x + slice(table, 0, 0, n_tokens);
  }

  AttentionWeights attention_weights(const std::string& name) const {
    const std::int64_t d_head = model.d_model / model.n_heads;
    const Shape in = {model.n_heads, model.d_model, d_head};
    const Init from_stream = init(model.d_model);
    AttentionWeights w;
    w.W_Q = params.declare(graph, name + ".W_Q", in, {"head", "d_model", "d_head"}, from_stream);
    w.W_K = params.declare(graph, name + ".W_K", in, {"head", "d_model", "d_head"}, from_stream);
    w.W_V = params.declare(graph, name + ".W_V", in, {"head", "d_model", "d_head"}, from_stream);
    w.W_O = params.declare(graph, name + ".W_O", {model.n_heads, d_head, model.d_model}, {"head", "d_head", "d_model"},
                           from_stream);
    return w;
  }

  Var with_attention(Var x, const std::string& block) const {
    const Scope scope(graph, block + ".attn");
    const AttentionOptions options{.scale = 1 / std::sqrt(static_cast<double>(model.d_model / model.n_heads))};
    const AttentionOutput attention =
        causal_attention(normalised(x, block + ".ln"), attention_weights(block + ".attn"), options);
    graph.tap("pattern", attention.pattern);
    return x + attention.out;
  }

  Var with_mlp(Var x, const std::string& block) const {
    if (model.mlp_width == 0) return x;
    const Scope scope(graph, block + ".mlp");
    const std::string name = block + ".mlp";
    const Var W_in = params.declare(graph, name + ".W_in", {model.d_model, model.mlp_width}, {"d_model", "d_mlp"},
                                    init(model.d_model));
    const Var W_out = params.declare(graph, name + ".W_out", {model.mlp_width, model.d_model}, {"d_mlp", "d_model"},
                                     init(model.mlp_width));
    const Var hidden =
        relu(matmul(normalised(x, block + ".ln_mlp"), W_in) + bias(name + ".b_in", model.mlp_width, "d_mlp"));
    return x + matmul(hidden, W_out) + bias(name + ".b_out", model.d_model, "d_model");
  }

  /// The stream [batch, 2L+1, d_model] to an answer at every x: [batch, L+1, N].
  Var answers(Var x) const {
    const Var W_U = params.declare(graph, "unembed.W_U", {model.d_model, N}, {"d_model", "task"}, init(model.d_model));
    return matmul(normalised(at_inputs(x), "ln_final"), W_U) + bias("unembed.b_U", N, "task");
  }

  /// What the answers should be: the context's y from the tokens, then the target. [batch, L+1, N]
  Var wanted(Var tokens) const {
    const Var context = permute(slice(slice(tokens, 1, d, d + N), 2, 0, task.n_context), {0, 2, 1});
    return concat({context, reshape(graph.input("target", {batch, N}), {batch, 1, N})}, 1);
  }
};

}  // namespace

void DepthModelConfig::fields(Fields& f) {
  f.field("n_layers", n_layers, "attention layers", between(1, 64));
  f.field("n_heads", n_heads, "heads a layer", between(1, 64));
  f.field("d_model", d_model, "width of the residual stream", at_least(1));
  f.field("mlp_width", mlp_width, "hidden units of the MLP after each attention layer; 0: none", at_least(0));
  f.field("layer_norm", layer_norm, "normalise what each attention layer, each MLP and the read-out read");
  f.field("positions", positions, "add a trained vector to each of the 2 n_context + 1 tokens");
  f.field("max_context", max_context,
          "contexts that positions have room for, to measure at other lengths; null: n_context", at_least(1));
  f.field("init_std", init_std, "standard deviation of every weight at the start; null: 1 / sqrt(fan in)", above(0));
  f.require(d_model % n_heads == 0, "n_heads", fmt::format("n_heads ({}) must divide d_model ({})", n_heads, d_model));
}

Var record(Graph& graph, ParamStore& params, const LinearRegressionConfig& task, const DepthModelConfig& model,
           std::int64_t batch, Purpose) {
  const Recorder r{graph, params, task, model, batch};
  const Var tokens = graph.input("tokens", {batch, r.d + r.N, r.n_answers});
  Var x = r.embedded(tokens);  // [batch, 2L+1, d_model]
  for (std::int64_t l = 0; l < model.n_layers; ++l) {
    const std::string block = fmt::format("blocks.{}", l);
    x = r.with_mlp(r.with_attention(x, block), block);
  }
  const Var predictions = r.answers(x);  // [batch, L+1, N]
  graph.tap("predictions", predictions);
  graph.tap("prediction", reshape(slice(predictions, 1, task.n_context, r.n_answers), {batch, r.N}));
  const Var error = predictions - r.wanted(tokens);
  return mean_all(error * error);
}

}  // namespace saltus::icl_regression
