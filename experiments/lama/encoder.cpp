#include "experiments/lama/encoder.h"

#include <cmath>

namespace saltus::lama {
namespace {

/// One direction's weights, which begin as those of PyTorch's nn.GRU.
GruWeights direction(Graph& graph, ParamStore& params, const ModelConfig& model, bool reverse) {
  const std::string name = reverse ? "encoder.backward." : "encoder.forward.";
  const std::int64_t h = model.d_hidden;
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(h)));
  const Var W = params.declare(graph, name + "W_input", {model.d_embed, 3 * h}, {"d_embed", "gru_gate"}, init);
  const Var U = params.declare(graph, name + "W_hidden", {h, 3 * h}, {"d_hidden", "gru_gate"}, init);
  const Var b = params.declare(graph, name + "b_input", {3 * h}, {"gru_gate"}, init);   // [gate]
  const Var c = params.declare(graph, name + "b_hidden", {3 * h}, {"gru_gate"}, init);  // [gate]
  return {W, U, b, c};
}

/// [length, width]: sin(t / 10000^(2i / width)) at 2i, its cosine at 2i + 1 (Vaswani et al. 2017, section 3.5).
Var sinusoids(Graph& graph, std::int64_t length, std::int64_t width) {
  std::vector<double> values;
  for (std::int64_t t = 0; t < length; ++t) {
    for (std::int64_t i = 0; i < width; ++i) {
      const double angle =
          static_cast<double>(t) * std::pow(10000, -static_cast<double>(i - i % 2) / static_cast<double>(width));
      values.push_back(i % 2 == 0 ? std::sin(angle) : std::cos(angle));
    }
  }
  return graph.constant(std::move(values), {length, width});
}

}  // namespace

Var encoded(Graph& graph, ParamStore& params, const ModelConfig& model, Var e, Var mask) {
  if (model.encoder == "gru") {
    const GruWeights f = direction(graph, params, model, false), b = direction(graph, params, model, true);
    const Var forward = gru(e, f.W, f.U, f.b, f.c, mask, false);  // [batch, length, d_hidden]
    const Var backward = gru(e, b.W, b.U, b.b, b.c, mask, true);  // [batch, length, d_hidden]
    return concat({forward, backward}, 2);
  }
  const std::int64_t d = model.d_model();
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(model.d_embed)));
  const Var W = params.declare(graph, "encoder.W", {model.d_embed, d}, {"d_embed", "d_model"}, init);
  const Var b = params.declare(graph, "encoder.b", {d}, {"d_model"}, init);  // [d_model]
  return matmul(e, W) + b + sinusoids(graph, e.shape()[1], d);
}

Var encoded_words(Graph& graph, ParamStore& params, const ModelConfig& model, Var W_E, Var tokens, Var mask) {
  if (model.encoder != "gru") return encoded(graph, params, model, take(W_E, tokens), mask);
  const GruWeights forward = direction(graph, params, model, false), backward = direction(graph, params, model, true);
  return embedded_gru(W_E, tokens, mask, forward, backward);
}

}  // namespace saltus::lama
