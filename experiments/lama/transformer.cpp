#include "experiments/lama/transformer.h"

#include <cmath>

#include "experiments/lama/pooling.h"

namespace saltus::lama {
namespace {

struct Recorder {
  Graph& graph;
  ParamStore& params;
  const ModelConfig& model;
  std::int64_t d = model.d_model(), heads = model.n_heads, d_head = d / heads, d_ff = 4 * d;

  Var declare(const std::string& name, Shape shape, std::vector<std::string> dims, Init init) const {
    return params.declare(graph, "blocks.0." + name, std::move(shape), std::move(dims), init);
  }

  /// x [batch, length, d_model] -> [batch, head, length, d_head]
  Var in_heads(Var x, const std::string& part) const {
    const Init xavier = Init::uniform(std::sqrt(3.0 / static_cast<double>(d)));
    const Var W = declare("attn.W_" + part, {d, heads, d_head}, {"d_model", "head", "d_head"}, xavier);
    const Var b = declare("attn.b_" + part, {heads, d_head}, {"head", "d_head"}, Init::constant(0));
    const Var y = matmul(x, reshape(W, {d, d})) + reshape(b, {d});  // [batch, length, head d_head]
    return permute(reshape(y, {x.shape()[0], x.shape()[1], heads, d_head}), {0, 2, 1, 3});
  }

  Var normalised(Var x, const std::string& name) const {
    const Var gain = declare(name + ".gain", {d}, {"d_model"}, Init::constant(1));  // [d_model]
    const Var bias = declare(name + ".bias", {d}, {"d_model"}, Init::constant(0));  // [d_model]
    return layer_norm(x, gain, bias);
  }

  Var feed_forward(Var x) const {
    const auto bound = [](std::int64_t in) { return Init::uniform(1 / std::sqrt(static_cast<double>(in))); };
    const Var W_in = declare("mlp.W_in", {d, d_ff}, {"d_model", "d_mlp"}, bound(d));
    const Var b_in = declare("mlp.b_in", {d_ff}, {"d_mlp"}, bound(d));  // [d_mlp]
    const Var W_out = declare("mlp.W_out", {d_ff, d}, {"d_mlp", "d_model"}, bound(d_ff));
    const Var b_out = declare("mlp.b_out", {d}, {"d_model"}, bound(d_ff));  // [d_model]
    return matmul(relu(matmul(x, W_in) + b_in), W_out) + b_out;
  }
};

}  // namespace

EncoderLayer encoder_layer(Graph& graph, ParamStore& params, const ModelConfig& model, Var x, Var mask) {
  const Recorder r{graph, params, model};
  const std::int64_t batch = x.shape()[0], length = x.shape()[1];
  const Var q = r.in_heads(x, "Q"), k = r.in_heads(x, "K"), v = r.in_heads(x, "V");  // [batch, head, length, d_head]
  const Var dots = matmul(q, k, false, true) / std::sqrt(static_cast<double>(r.d_head));  // [batch, head, query, key]
  const Var A = softmax(dots + reshape(padding_scores(mask), {batch, 1, 1, length}));     // [batch, head, query, key]
  const Var mixed = reshape(permute(matmul(A, v), {0, 2, 1, 3}), {batch, length, r.d});  // [batch, length, head d_head]
  const Init linear = Init::uniform(1 / std::sqrt(static_cast<double>(r.d)));
  const Var W_O = r.declare("attn.W_O", {r.heads, r.d_head, r.d}, {"head", "d_head", "d_model"}, linear);
  const Var b_O = r.declare("attn.b_O", {r.d}, {"d_model"}, Init::constant(0));  // [d_model]
  const Var attended = matmul(mixed, reshape(W_O, {r.d, r.d})) + b_O;            // [batch, length, d_model]
  const Var y = r.normalised(x + attended, "norm_attn");                         // [batch, length, d_model]
  return {.out = r.normalised(y + r.feed_forward(y), "norm_mlp"), .pattern = permute(A, {1, 0, 2, 3})};
}

}  // namespace saltus::lama
