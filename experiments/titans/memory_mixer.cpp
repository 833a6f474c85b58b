#include "experiments/titans/memory_mixer.h"

#include <fmt/format.h>

#include <cmath>

#include "core/check.h"
#include "experiments/titans/inner_loss.h"
#include "experiments/titans/intervention.h"
#include "experiments/titans/mixer_parts.h"
#include "experiments/titans/surprise.h"

namespace saltus::titans {
namespace {

/// The widths that M's layers lead from and to, memory_depth + 1 of them.
std::vector<std::int64_t> widths(const MixerConfig& config) {
  std::vector<std::int64_t> out(static_cast<std::size_t>(config.memory_depth) + 1,
                                config.memory_expansion * config.d_head);
  out.front() = out.back() = config.d_head;
  return out;
}

std::string carried(const MixerContext& c, const char* what, std::size_t layer) {
  return fmt::format("{}.{}.{}", c.name, what, layer);
}

/// x [batch, ...] for every row: [row, ...]
Var of_every_head(Var x, std::int64_t n_heads) {
  const Shape& s = x.shape();
  return reshape(broadcast_to(reshape(x, s.inserted(1, 1)), s.inserted(1, n_heads)), s.with(0, s[0] * n_heads));
}

Var nothing_like(Var x) { return broadcast_to(x.graph->constant(0), x.shape()); }

/// Names of a layer's axes; no two axes of one parameter share a name.
std::vector<std::string> dims_of(std::size_t layer, std::size_t last) {
  const char* between = layer == 0 || layer == last ? "memory_width" : "memory_width_in";
  return {"head", layer == 0 ? "memory_in" : between, layer == last ? "memory_out" : "memory_width"};
}

}  // namespace

MemoryOptions memory_options(const MixerConfig& config) {
  return {.chunk = config.chunk,
          .residual = config.memory_residual,
          .read_before_write = config.read_before_write,
          .decay_to_initial = config.decay_to_initial,
          .first_order = config.first_order};
}

std::int64_t memory_size(const MixerConfig& config) {
  const std::vector<std::int64_t> w = widths(config);
  std::int64_t size = 0;
  for (std::size_t l = 0; l + 1 < w.size(); ++l) size += w[l] * w[l + 1];
  return config.n_heads * size;
}

MemoryInputs memory_inputs(const MixerContext& c, const TokenRows& x, const MixerConfig& config) {
  // Asking the few questions in every chunk is less than asking at every position in its own; a swap is of positions.
  const bool few = c.asked && c.asked.count() < config.chunk && config.intervention != "swap";
  const QueryKeyValue p = query_key_value(c, x, config, few ? c.asked : Asked{});
  MemoryInputs in{.q = p.q, .k = p.k, .v = p.v, .theta = {}, .eta = {}, .alpha = {}};
  if (few) in.asked = of_every_head(c.asked.at, config.n_heads);
  in.theta = intervened_gate(config.theta_max * token_gate(c, x, "theta", config, 0.5), c.open_gates, config);
  in.eta = config.momentum ? token_gate(c, x, "eta", config, config.eta_start) : nothing_like(in.theta);
  in.alpha = config.decay ? config.alpha_max * token_gate(c, x, "alpha", config, config.alpha_start / config.alpha_max)
                          : nothing_like(in.theta);
  in.alpha = intervened_gate(in.alpha, c.open_gates, config);
  tap_gate(c, "theta", in.theta, config.n_heads);
  tap_gate(c, "eta", in.eta, config.n_heads);
  tap_gate(c, "alpha", in.alpha, config.n_heads);
  return in;
}

std::vector<Var> memory_initial(const MixerContext& c, std::int64_t batch, const MixerConfig& config) {
  const std::vector<std::int64_t> w = widths(config);
  std::vector<Var> out;
  for (std::size_t l = 0; l + 1 < w.size(); ++l) {
    const Shape shape = {config.n_heads, w[l], w[l + 1]};
    const bool single = config.memory_depth == 1;
    if (single && !config.learned_initial) {
      out.push_back(broadcast_to(c.graph.constant(0), shape.with(0, batch * config.n_heads)));
      continue;
    }
    const Init init = single ? Init::constant(0) : Init::normal(1 / std::sqrt(static_cast<double>(w[l])));
    const Var M = c.params.declare(c.graph, fmt::format("{}.M_0.{}", c.name, l), shape, dims_of(l, w.size() - 2), init);
    // A random M_0 that is not learned is drawn and kept with the parameters and gets no gradient.
    out.push_back(for_every_row(config.learned_initial ? M : detach(M), batch));
  }
  return out;
}

MemoryState memory_begin(const MixerContext& c, const std::vector<Var>& initial, const MixerConfig& config) {
  MemoryState state;
  for (std::size_t l = 0; l < initial.size(); ++l) {
    // Told apart from M_0, so that a gradient with respect to it is that of the start alone.
    state.M.push_back(again(c.carry.begin(carried(c, "M", l), initial[l])));
    const Var none = nothing_like(initial[l]);
    state.S.push_back(config.momentum ? c.carry.begin(carried(c, "S", l), none) : none);
  }
  return state;
}

void memory_end(const MixerContext& c, const MemoryState& state, const MixerConfig& config) {
  for (std::size_t l = 0; l < state.M.size(); ++l) {
    c.carry.end(carried(c, "M", l), state.M[l]);
    if (config.momentum) c.carry.end(carried(c, "S", l), state.S[l]);
    const Shape& s = state.M[l].shape();
    tap(c, fmt::format("M.{}", l), reshape(state.M[l], s.with(0, config.n_heads).inserted(0, s[0] / config.n_heads)));
  }
  const Var size = state_norm(state.S);  // [row]
  tap(c, "momentum_norm", reshape(size, {size.shape()[0] / config.n_heads, config.n_heads}));
}

MemoryOutput memory_pass(const MixerContext& c, const MemoryInputs& in, const MemoryState& state,
                         const std::vector<Var>& initial, const MixerConfig& config) {
  MemoryInputs asked = in;
  asked.q = intervened_question(in.q, config, c.name);
  MemoryOutput y = memory_chunked(asked, state, initial, memory_options(config));
  y.out = intervened_answer(y.out, config);
  return y;
}

Var memory_ask(const MixerContext& c, const std::vector<Var>& M, Var q, const MixerConfig& config) {
  return intervened_answer(memory_read(M, intervened_question(q, config, c.name), config.memory_residual), config);
}

Var memory_mixer(const MixerContext& c, const TokenRows& x, const MixerConfig& config) {
  const MemoryInputs in = memory_inputs(c, x, config);
  const std::vector<Var> initial = memory_initial(c, x.shape()[0], config);
  const MemoryOutput y = memory_pass(c, in, memory_begin(c, initial, config), initial, config);
  memory_end(c, y.state, config);
  return read_out(c, x, in.asked ? y.out : asked_rows(c, y.out, config), config);
}

}  // namespace saltus::titans
