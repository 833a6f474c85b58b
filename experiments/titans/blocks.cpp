#include "experiments/titans/blocks.h"

#include <fmt/format.h>

#include "core/check.h"
#include "experiments/titans/inner_loss.h"
#include "experiments/titans/memory_mixer.h"
#include "experiments/titans/meta_gradient.h"
#include "experiments/titans/mixer_parts.h"
#include "experiments/titans/model.h"
#include "experiments/titans/surprise.h"

namespace saltus::titans {
namespace {

MixerConfig of_kind(MixerConfig config, const char* kind) {
  config.kind = kind;
  return config;
}

/// memory_mixer, with the taps that measures want.
Var measured_memory(const MixerContext& c, const TokenRows& u, const MixerConfig& config) {
  const MemoryInputs in = memory_inputs(c, u, config);
  const std::vector<Var> initial = memory_initial(c, u.shape()[0], config);
  const MemoryState state = memory_begin(c, initial, config);
  const MemoryOutput y = memory_pass(c, in, state, initial, config);
  memory_end(c, y.state, config);
  tap_writes(c, in, state, initial, config);
  tap_chunk_starts(c, y);
  return read_out(c, u, y.out, config);
}

/// The memory, after it has read and written the persistent vectors.
Var memory_block(const MixerContext& c, const TokenRows& u, const MixerConfig& config, Purpose purpose) {
  const std::int64_t d_model = u.shape()[2], n = config.n_persistent;
  const auto memory = [&](Carry& carry) {
    const MixerContext here{c.graph, c.params, carry, c.name, c.taps, c.open_gates, c.asked};
    return purpose == Purpose::measure ? measured_memory(here, u, config) : mix(here, u, of_kind(config, "memory"));
  };
  if (n == 0) return memory(c.carry);
  const Var p =
      c.params.declare(c.graph, c.name + ".persistent", {n, d_model}, {"n_persistent", "d_model"}, Init::normal(1));
  Carry before;
  MixerConfig prefix = of_kind(config, "memory");
  if (prefix.intervention == "swap") prefix.intervention = "none";  // nobody asks here, and there is one sequence
  mix({c.graph, c.params, before, c.name, c.name + ".prefix"}, reshape(p, {1, n, d_model}), prefix);
  Carry after = Carry::after(before, c.carry);
  return memory(after);
}

Var mag_block(const MixerContext& memory, const MixerContext& attention, const TokenRows& u, const ModelConfig& model,
              Purpose purpose) {
  const std::int64_t d = model.d_model;
  const Var y = normalised(attention, "norm_out",
                           mix(attention, u, of_kind(model.mixer, "sliding_window")));  // [batch, position, d_model]
  const Var m = normalised(memory, "norm_out", memory_block(memory, u, model.mixer, purpose));
  if (model.gating == "product") {
    const Var gate = sigmoid(m);
    tap(memory, "gate", gate);
    return matmul(y * gate, weight(memory, "W_gated", d, d, {"d_model", "d_out"}));
  }
  const Var b = memory.params.declare(memory.graph, memory.name + ".b_gate", {d}, {"d_model"}, Init::constant(0));
  const Var W = weight(memory, "W_gate", d, d, {"d_model", "d_out"});
  const Var gate = u.map([W, b](Var rows) { return sigmoid(matmul(rows, W) + b); }).at(memory.asked);  // as y
  tap(memory, "gate", gate);
  return matmul(gate * y + (1.0 - gate) * m, weight(memory, "W_gated", d, d, {"d_model", "d_out"}));
}

Var mal_block(const MixerContext& memory, const MixerContext& attention, const TokenRows& u, const ModelConfig& model,
              Purpose purpose) {
  const Var y =
      normalised(memory, "norm_out", memory_block(memory, u, model.mixer, purpose));  // [batch, position, d_model]
  return mix(attention, y, of_kind(model.mixer, "sliding_window"));
}

}  // namespace

Var normalised(const MixerContext& c, const std::string& part, Var x) {
  return rms_norm(
      x, c.params.declare(c.graph, c.name + "." + part + ".gain", {x.shape()[-1]}, {"d_model"}, Init::constant(1)));
}

void tap_writes(const MixerContext& c, const MemoryInputs& in, const MemoryState& state,
                const std::vector<Var>& initial, const MixerConfig& config) {
  const Var losses = inner_losses(in, state, initial, memory_options(config));  // [row, reader, position]
  const Shape& s = losses.shape();
  const auto by_head = [&](Var x) {  // [row, ...] -> [batch, head, ...]
    return reshape(x, x.shape().with(0, config.n_heads).inserted(0, s[0] / config.n_heads));
  };
  tap(c, "inner_loss", by_head(losses));
  const Surprise surprise = surprises(in, state, initial, memory_options(config));
  tap(c, "surprise", by_head(surprise.norm));
  tap(c, "momentum_alignment", by_head(surprise.alignment));
}

Var mixed(Graph& graph, ParamStore& params, Carry& carry, std::int64_t layer, const TokenRows& u,
          const ModelConfig& model, Purpose purpose, Var open_gates, const Asked& asked) {
  MixerContext memory{graph, params, carry, fmt::format("blocks.{}.mixer", layer), {}, open_gates, asked};
  MixerContext attention{graph, params, carry, fmt::format("blocks.{}.attn", layer), {}, {}, asked};
  // Attention reads all that the memory of mal and mac says.
  if (model.architecture == "mal" || model.architecture == "mac") memory.asked = {};
  check_input(open_gates || model.mixer.intervention != "oracle_gates",
              "{}: intervention oracle_gates needs to know which tokens are filler, which this task does not say",
              memory.name);
  if (model.architecture == "mac") {
    const Var all = mac_block(memory, attention, u, model, purpose);  // [batch, position, d_model]
    return asked ? asked.rows(all) : all;
  }
  if (model.architecture == "mag") return mag_block(memory, attention, u, model, purpose);
  if (model.architecture == "mal") return mal_block(memory, attention, u, model, purpose);
  if (model.mixer.kind == "memory") return memory_block(memory, u, model.mixer, purpose);
  return mix(model.has_attention() ? attention : memory, u, model.mixer);
}

}  // namespace saltus::titans
