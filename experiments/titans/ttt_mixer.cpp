#include "experiments/titans/ttt_mixer.h"

#include <fmt/format.h>

#include "experiments/titans/chunks.h"
#include "experiments/titans/mixer_parts.h"
#include "experiments/titans/ttt.h"
#include "nn/rotary.h"

namespace saltus::titans {
namespace {

/// Turns [row, position, d] by the position in its chunk.
Var turned_in_chunks(Var x, const MixerConfig& config) {
  return config.rotary ? from_chunks(rotary(into_chunks(x, config.chunk)), x.shape()[1]) : x;
}

/// One learned row a head, [row, 1, n].
Var row_vector(const MixerContext& c, const std::string& part, const MixerConfig& config, std::int64_t n,
               const char* dim, double start, std::int64_t batch) {
  const Var v =
      c.params.declare(c.graph, c.name + "." + part, {config.n_heads, n}, {"head", dim}, Init::constant(start));
  return for_every_row(reshape(v, {config.n_heads, 1, n}), batch);
}

std::vector<TttLayer> begin(const MixerContext& c, const MixerConfig& config, std::int64_t batch) {
  const std::int64_t H = config.n_heads, d = config.d_head, hidden = config.memory_expansion * d;
  const auto layer = [&](std::size_t l, std::int64_t in, std::int64_t out, const char* in_dim, const char* out_dim) {
    const std::string W = fmt::format("W.{}", l), b = fmt::format("b.{}", l);
    const Var W_0 =
        c.params.declare(c.graph, c.name + "." + W, {H, in, out}, {"head", in_dim, out_dim}, Init::normal(0.02));
    return TttLayer{c.carry.begin(c.name + "." + W, for_every_row(W_0, batch)),
                    c.carry.begin(c.name + "." + b, row_vector(c, b, config, out, out_dim, 0, batch))};
  };
  if (config.kind == "ttt_linear") return {layer(0, d, d, "memory_in", "memory_out")};
  return {layer(0, d, hidden, "memory_in", "memory_width"), layer(1, hidden, d, "memory_width", "memory_out")};
}

/// 1, 1/2, 1/3, ... plus what is learned.
Var token_scale(const MixerContext& c, const MixerConfig& config) {
  std::vector<double> harmonic;
  for (std::int64_t i = 1; i <= config.chunk; ++i) harmonic.push_back(1 / static_cast<double>(i));
  const Var learned =
      c.params.declare(c.graph, c.name + ".token_scale", {config.chunk}, {"chunk_token"}, Init::constant(0));
  return c.graph.constant(std::move(harmonic), {config.chunk}) + learned;
}

}  // namespace

Var ttt_mixer(const MixerContext& c, const TokenRows& x, const MixerConfig& config) {
  const std::int64_t batch = x.shape()[0], d = config.d_head;
  const QueryKeyValue p = query_key_value(c, x, config);
  TttInputs in;
  in.q = turned_in_chunks(p.q, config);
  in.k = turned_in_chunks(p.k, config);
  in.v = p.v;
  in.rate = token_gate(c, x, "theta", config, 0.5) * (config.ttt_rate / static_cast<double>(d));
  in.scale = token_scale(c, config);
  in.gain = row_vector(c, "ttt_norm.gain", config, d, "d_head", 1, batch);
  in.bias = row_vector(c, "ttt_norm.bias", config, d, "d_head", 0, batch);
  tap_gate(c, "theta", in.rate, config.n_heads);
  const TttOutput y = ttt(in, begin(c, config, batch), config.chunk);
  for (std::size_t l = 0; l < y.state.size(); ++l) {
    c.carry.end(fmt::format("{}.W.{}", c.name, l), y.state[l].W);
    c.carry.end(fmt::format("{}.b.{}", c.name, l), y.state[l].b);
  }
  return read_out(c, x, asked_rows(c, y.out, config), config);
}

}  // namespace saltus::titans
