#include "experiments/icl_regression/model.h"

#include <cmath>

#include "ops/ops.h"

namespace saltus::icl_regression {
namespace {

const std::string prefix = "blocks.0.attn.";

ContextWeights weights_named(const std::string& name) {
  if (name == "softmax") return ContextWeights::softmax;
  if (name == "one_plus") return ContextWeights::one_plus;
  if (name == "relu") return ContextWeights::relu;
  if (name == "tanh") return ContextWeights::tanh;
  if (name == "sigmoid") return ContextWeights::sigmoid;
  return ContextWeights::linear;
}

/// What each head is, whatever it is made of.
struct Circuits {
  Var KQ;  // [head, key = D, query = D]
  Var OV;  // [head, N, D]
};

/// Declares the parameters with the laws that they start from.
struct Recorder {
  Graph& graph;
  ParamStore& params;
  const ModelConfig& model;
  std::int64_t H, D, N;

  /// PyTorch's nn.Linear: uniform within 1 / sqrt(fan_in). V and O start so unless `init` says otherwise.
  Init linear(std::int64_t fan_in) const {
    return model.init == "normal" ? Init::normal(*model.init_scale)
                                  : Init::uniform(1 / std::sqrt(static_cast<double>(fan_in)));
  }
  /// Of what makes KQ; `sign_carrier` is the one of them that is negative for half of the heads with oppo_small_id.
  Init query_key(bool sign_carrier) const {
    if (model.init == "small_id") return Init::identity(model.init_scale.value_or(1e-6));
    if (model.init == "small_id_qk") return Init::identity(model.init_scale.value_or(1e-4));
    if (model.init != "oppo_small_id") return linear(D);
    const double scale = model.init_scale.value_or(1e-6);
    return sign_carrier ? Init::opposed_identity(scale) : Init::identity(scale);
  }

  std::int64_t rank() const { return model.rank.value_or(D); }

  Circuits circuits() const {
    return {model.parameters == "merged" ? merged_kq() : factored_kq(),
            model.parameters == "factored" ? factored_ov() : merged_ov()};
  }
  Var factored_kq() const {
    const Var W_Q =
        params.declare(graph, prefix + "W_Q", {H, rank(), D}, {"head", "d_head", "feature"}, query_key(true));
    const Var W_K =
        params.declare(graph, prefix + "W_K", {H, rank(), D}, {"head", "d_head", "feature"}, query_key(false));
    return matmul(W_K, W_Q, true) / std::sqrt(static_cast<double>(D));
  }
  Var factored_ov() const {
    const Init value = model.init == "small_id" ? query_key(false) : linear(D);
    const char* value_dim = rank() == D ? "d_head" : "d_value";  // one name, one size
    const Var W_V = params.declare(graph, prefix + "W_V", {H, D, D}, {"head", value_dim, "feature"}, value);
    const Var W_O = params.declare(graph, prefix + "W_O", {H, N, D}, {"head", "task", value_dim}, linear(H * D));
    return matmul(W_O, W_V);
  }
  Var merged_kq() const {
    return params.declare(graph, prefix + "W_KQ", {H, D, D}, {"head", "key_feature", "query_feature"}, query_key(true));
  }
  Var merged_ov() const {
    return params.declare(graph, prefix + "W_OV", {H, N, D}, {"head", "task", "feature"}, linear(H * D));
  }
};

}  // namespace

void ModelConfig::fields(Fields& f) {
  f.field("n_heads", n_heads, "heads", between(1, 64));
  f.choice("parameters", parameters, {"factored", "merged", "merged_values"},
           "factored: train W_Q, W_K, W_V and W_O, as in the paper; merged: the products W_KQ and W_OV themselves; "
           "merged_values: W_Q, W_K and W_OV");
  f.field("rank", rank, "rows of W_Q and W_K, which bound the rank of KQ; null: all d + N, as in the paper",
          at_least(1));
  f.choice("attention", attention, {"softmax", "one_plus", "relu", "tanh", "sigmoid", "linear"},
           "weights of scores s: exp(s), 1 + s, max(1 + s, 0), 1 + tanh(s) or 1 / (1 + exp(-s)) over their sum; "
           "linear: s / n_context");
  f.field("linear_length", linear_length, "what linear weights are divided by; null: n_context", at_least(1));
  f.choice("init", init, {"pytorch", "small_id", "small_id_qk", "oppo_small_id", "normal"},
           "pytorch: uniform in 1 / sqrt(fan in); small_id: W_Q, W_K and W_V a small identity; small_id_qk: W_Q and "
           "W_K; oppo_small_id: as "
           "small_id_qk, W_Q negative for the second half of the heads; normal: all");
  f.field("init_scale", init_scale,
          "of the identities (null: 1e-6, 1e-4 and 1e-6), or the standard deviation of normal", above(0));
  f.require(parameters != "merged" || !rank, "rank", "rank is for parameters: factored and merged_values");
  f.require(attention == "linear" || !linear_length, "linear_length", "linear_length is for attention: linear");
  f.require(init != "normal" || init_scale, "init_scale", "init: normal needs init_scale, its standard deviation");
  f.require(init != "pytorch" || !init_scale, "init_scale", "init: pytorch has no init_scale");
  f.require(parameters == "factored" || init != "small_id", "init",
            "init: small_id is for parameters: factored; small_id_qk makes W_KQ a small identity");
}

Var record(Graph& graph, ParamStore& params, const LinearRegressionConfig& task, const ModelConfig& model,
           std::int64_t batch, Purpose) {
  const Recorder r{graph, params, model, model.n_heads, task.n_features(), task.n_tasks()};
  const ContextWeights weights = weights_named(model.attention);
  const auto length = static_cast<double>(model.linear_length.value_or(task.n_context));
  const Var tokens = graph.input("tokens", {batch, r.D, task.n_context + 1});
  Var prediction;  // [batch, N]
  {
    const Scope scope(graph, "blocks.0.attn");
    const Circuits circuits = r.circuits();
    graph.tap("KQ", circuits.KQ);
    graph.tap("OV", circuits.OV);
    graph.tap("pattern", query_pattern(tokens, circuits.KQ, weights, length));
    prediction = query_attention(tokens, circuits.KQ, circuits.OV, weights, length);
  }
  graph.tap("prediction", prediction);
  const Var error = prediction - graph.input("target", {batch, r.N});
  return mean_all(error * error);
}

}  // namespace saltus::icl_regression
