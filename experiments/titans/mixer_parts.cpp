#include "experiments/titans/mixer_parts.h"

#include <cmath>

#include "nn/short_conv.h"

namespace saltus::titans {
namespace {

/// [row, position, ...] -> [batch, head, position, ...]
Var by_head(Var rows, std::int64_t n_heads) {
  const Shape& s = rows.shape();
  return reshape(rows, s.with(0, n_heads).inserted(0, s[0] / n_heads));
}

}  // namespace

void tap(const MixerContext& c, const std::string& part, Var x) {
  const Scope outermost(c.graph, c.graph.constant(0).id);
  c.graph.tap((c.taps.empty() ? c.name : c.taps) + "." + part, x);
}

Var weight(const MixerContext& c, const std::string& part, std::int64_t in, std::int64_t out,
           std::vector<std::string> dims) {
  return c.params.declare(c.graph, c.name + "." + part, {in, out}, std::move(dims),
                          Init::normal(1 / std::sqrt(static_cast<double>(in))));
}

Var projected(const MixerContext& c, const TokenRows& x, const std::string& part, const MixerConfig& config) {
  const std::int64_t channels = config.n_heads * config.d_head, width = config.conv_width;
  const Var W = weight(c, "W_" + part, x.shape()[2], channels, {"d_model", "channel"});
  const Var y = x.map([W](Var rows) { return matmul(rows, W); }).all();  // [batch, position, channel]
  if (width == 0) return y;
  const std::string conv = c.name + ".conv_" + part;
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(width)));  // PyTorch's Conv1d
  return short_conv(y, c.params.declare(c.graph, conv, {channels, width}, {"channel", "conv_width"}, init), c.carry,
                    conv);
}

Var into_rows(Var x, std::int64_t n_heads) {
  const std::int64_t batch = x.shape()[0], positions = x.shape()[1], d = x.shape()[2] / n_heads;
  return reshape(permute(reshape(x, {batch, positions, n_heads, d}), {0, 2, 1, 3}), {batch * n_heads, positions, d});
}

Var from_rows(Var rows, std::int64_t n_heads) {
  const std::int64_t batch = rows.shape()[0] / n_heads, positions = rows.shape()[1], d = rows.shape()[2];
  return reshape(permute(by_head(rows, n_heads), {0, 2, 1, 3}), {batch, positions, n_heads * d});
}

Var l2_normalised(Var x) { return x * (x.graph->constant(1) / sqrt(sum(x * x, -1, true) + 1e-6)); }

QueryKeyValue query_key_value(const MixerContext& c, const TokenRows& x, const MixerConfig& config,
                              const Asked& questions) {
  QueryKeyValue out;
  const Var Q = projected(c, x, "Q", config);  // [batch, position, channel]
  out.q = l2_normalised(into_rows(silu(questions ? questions.rows(Q) : Q), config.n_heads));
  out.k = l2_normalised(into_rows(silu(projected(c, x, "K", config)), config.n_heads));
  out.v = into_rows(projected(c, x, "V", config), config.n_heads);
  if (!questions) tap(c, "q", by_head(out.q, config.n_heads));
  tap(c, "k", by_head(out.k, config.n_heads));
  return out;
}

Var token_gate(const MixerContext& c, const TokenRows& x, const std::string& part, const MixerConfig& config,
               double start) {
  const std::int64_t batch = x.shape()[0], positions = x.shape()[1], H = config.n_heads;
  const Var w =
      c.params.declare(c.graph, c.name + ".W_" + part, {x.shape()[2], H}, {"d_model", "head"}, Init::constant(0));
  const Var b =
      c.params.declare(c.graph, c.name + ".b_" + part, {H}, {"head"}, Init::constant(std::log(start / (1 - start))));
  const Var gate = x.map([w, b](Var rows) { return sigmoid(matmul(rows, w) + b); }).all();  // [batch, position, head]
  return reshape(permute(gate, {0, 2, 1}), {batch * H, positions});
}

void tap_gate(const MixerContext& c, const std::string& part, Var gate, std::int64_t n_heads) {
  tap(c, part, by_head(gate, n_heads));
}

Var asked_rows(const MixerContext& c, Var read, const MixerConfig& config) {
  if (!c.asked) return read;
  const Shape& s = read.shape();
  return reshape(c.asked.rows(by_head(read, config.n_heads)), s.with(1, c.asked.count()));
}

Var read_out(const MixerContext& c, const TokenRows& x, Var read, const MixerConfig& config) {
  const std::int64_t d_model = x.shape()[2], channels = config.n_heads * config.d_head;
  const Var gain = c.params.declare(c.graph, c.name + ".norm.gain", {config.d_head}, {"d_head"}, Init::constant(1));
  Var y = from_rows(rms_norm(read, gain), config.n_heads);  // [batch, question, channel]
  if (config.output_gate) {
    const Var W_G = weight(c, "W_G", d_model, channels, {"d_model", "channel"});
    y = y * x.map([W_G](Var rows) { return silu(matmul(rows, W_G)); }).at(c.asked);
  }
  return matmul(y, weight(c, "W_O", channels, d_model, {"channel", "d_model"}));
}

Var for_every_row(Var per_head, std::int64_t batch) {
  const Shape& s = per_head.shape();
  return reshape(broadcast_to(per_head, s.inserted(0, batch)), s.with(0, batch * s[0]));
}

}  // namespace saltus::titans
