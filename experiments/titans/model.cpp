#include "experiments/titans/model.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "experiments/titans/blocks.h"
#include "experiments/titans/intervention.h"
#include "experiments/titans/meta_gradient.h"

namespace saltus::titans {
namespace {

struct Recorder {
  Graph& graph;
  ParamStore& params;
  Carry& carry;
  const ModelConfig& model;
  Purpose purpose;
  Var open_gates;
  std::int64_t d = model.d_model;

  Var normalised(Var x, const std::string& name) const {
    return rms_norm(x, params.declare(graph, name + ".gain", {d}, {"d_model"}, Init::constant(1)));
  }

  /// A matrix whose products are of the size of what it is multiplied with.
  Var matrix(const std::string& name, Shape shape, std::vector<std::string> dims) const {
    const Init init = Init::normal(1 / std::sqrt(static_cast<double>(shape[0])));
    return params.declare(graph, name, std::move(shape), std::move(dims), init);
  }

  /// At the positions in question.
  Var with_mixing(const TokenRows& x, std::int64_t layer, const Asked& asked) const {
    const std::string name = fmt::format("blocks.{}.norm", layer);
    const TokenRows u = x.map([&](Var rows) { return normalised(rows, name); });  // [batch, position, d_model]
    return x.at(asked) + mixed(graph, params, carry, layer, u, model, purpose, open_gates, asked);
  }

  Var with_feed_forward(Var x, std::int64_t layer) const {
    if (model.width == 0) return x;
    const std::string block = fmt::format("blocks.{}", layer), name = block + ".mlp";
    const Var u = normalised(x, block + ".norm_mlp");  // [batch, position, d_model]
    const Var W_gate = matrix(name + ".W_gate", {d, model.width}, {"d_model", "d_mlp"});
    const Var W_in = matrix(name + ".W_in", {d, model.width}, {"d_model", "d_mlp"});
    const Var W_out = matrix(name + ".W_out", {model.width, d}, {"d_mlp", "d_model"});
    return x + matmul(silu(matmul(u, W_gate)) * matmul(u, W_in), W_out);
  }
};

}  // namespace

bool ModelConfig::has_attention() const {
  return architecture != "mixer" || mixer.kind == "attention" || mixer.kind == "sliding_window";
}

bool ModelConfig::has_patterns() const { return has_attention() && architecture != "mac"; }

bool ModelConfig::has_keys() const { return architecture != "mixer" || !(has_attention() || mixer.kind == "gru"); }

bool ModelConfig::has_gate() const { return architecture == "mac" || architecture == "mag"; }

bool ModelConfig::has_memory() const { return architecture != "mixer" || mixer.kind == "memory"; }

bool ModelConfig::needs_roles() const { return has_memory() && mixer.intervention == "oracle_gates"; }

void ModelConfig::fields(Fields& f) {
  f.choice("architecture", architecture, {"mixer", "mac", "mag", "mal"},
           "mixer: every block is a mixer and a feed-forward layer; mac, mag, mal: a memory as the context, the gate "
           "or the layer before "
           "attention (Titans, section 4)");
  f.field("n_layers", n_layers, "blocks", between(1, 64));
  f.field("d_model", d_model, "width of the residual stream", at_least(1));
  f.field("width", width, "hidden units of the feed-forward layer in each block; 0: none", at_least(0));
  f.field("segment", segment, "tokens that mac attends to at a time", at_least(1));
  f.choice("gating", gating, {"product", "mixture"},
           "of mag: product: attention times sigmoid(memory); mixture: g attention + (1 - g) memory, g from the token");
  f.section("mixer", mixer,
            "how a block's tokens exchange information; of mac, mag and mal: their attention and their memory");
  f.require(architecture == "mixer" || mixer.kind == "memory", "mixer.kind",
            fmt::format("architecture {} has attention and a memory: leave mixer.kind at memory, not {}", architecture,
                        mixer.kind));
}

Var network(Graph& graph, ParamStore& params, Carry& carry, const ModelConfig& model, TokenRows x, std::int64_t outputs,
            const char* outputs_name, Purpose purpose, Var role, const Asked& asked) {
  const Var open_gates = role ? oracle_gates(role, model.mixer, carry) : Var{};  // [batch, position]
  const Recorder r{graph, params, carry, model, purpose, open_gates};
  for (std::int64_t l = 0; l < model.n_layers; ++l) {
    const bool last = l + 1 == model.n_layers;  // those before it are read everywhere
    x = r.with_feed_forward(r.with_mixing(x, l, last ? asked : Asked{}), l);
  }
  return matmul(r.normalised(x.all(), "norm_final"),
                r.matrix("unembed.W_U", {r.d, outputs}, {"d_model", outputs_name}));
}

Var logits(Graph& graph, ParamStore& params, Carry& carry, const ModelConfig& model, std::int64_t vocabulary,
           Var tokens, Purpose purpose, Var role, const Asked& asked) {
  const Var W_E =
      params.declare(graph, "embed.W_E", {vocabulary, model.d_model}, {"token", "d_model"}, Init::normal(1));
  return network(graph, params, carry, model, TokenRows(W_E, tokens), vocabulary, "token", purpose, role, asked);
}

std::int64_t state_size(const ModelConfig& model, std::int64_t position) {
  const auto of_kind = [&](const char* kind, std::int64_t after) {
    MixerConfig mixer = model.mixer;
    mixer.kind = kind;
    return state_size(mixer, after);
  };
  if (model.architecture == "mixer") return model.n_layers * state_size(model.mixer, position);
  // mac starts its attention anew at each segment, but for what the convolutions saw.
  const std::int64_t attention =
      model.architecture == "mac" ? of_kind("attention", 0) : of_kind("sliding_window", position);
  return model.n_layers * (of_kind("memory", position) + attention);
}

Experiment::Fact state_fact(const ModelConfig& model, std::int64_t positions) {
  return {{"state_size", "floats that a sequence carries through all blocks at its end, the convolutions' included"},
          {static_cast<double>(state_size(model, positions))}};
}

Var record(Graph& graph, ParamStore& params, const ModelConfig& model, std::int64_t vocabulary, std::int64_t positions,
           std::int64_t batch, Purpose purpose, std::int64_t questions) {
  Carry carry;
  const Var tokens = graph.input("tokens", {batch, positions}, DType::i32);
  const Var role = model.needs_roles() ? graph.input("role", {batch, positions}, DType::i32) : Var{};
  if (purpose == Purpose::train && questions > 0 && questions < positions) {
    const auto of_questions = [&](const char* name) { return graph.input(name, {batch, questions}, DType::i32); };
    const Asked asked = {one_hot(of_questions("asked"), positions), of_questions("asked_token")};
    const Var scores = logits(graph, params, carry, model, vocabulary, tokens, purpose, role, asked);
    graph.tap("logits", scores);  // [batch, question, token]
    return mean_all(softmax_cross_entropy(scores, of_questions("answer")));
  }
  const Var target = graph.input("target", {batch, positions}, DType::i32);
  const Var weight = graph.input("weight", {batch, positions});
  const Var scores =
      logits(graph, params, carry, model, vocabulary, tokens, purpose, role);  // [batch, position, token]
  graph.tap("logits", scores);
  const Var of_sequence = sum(weight * softmax_cross_entropy(scores, target), 1) / sum(weight, 1);  // [batch]
  if (purpose == Purpose::measure) tap_meta_gradients(graph, sum_all(of_sequence), model);
  return mean_all(of_sequence);
}

}  // namespace saltus::titans
