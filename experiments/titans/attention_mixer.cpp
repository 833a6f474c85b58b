#include "experiments/titans/attention_mixer.h"

#include "experiments/titans/mixer_parts.h"
#include "nn/window_attention.h"

namespace saltus::titans {
namespace {

/// [batch, position, channel] -> [head, batch, position, d_head]
Var by_head(Var x, const MixerConfig& config) {
  return permute(reshape(x, {x.shape()[0], x.shape()[1], config.n_heads, config.d_head}), {2, 0, 1, 3});
}

PersistentPrefix declare_prefix(const MixerContext& c, const MixerConfig& config) {
  if (config.n_persistent == 0) return {};
  const auto declare = [&](const char* part) {
    return c.params.declare(c.graph, c.name + part, {config.n_heads, config.n_persistent, config.d_head},
                            {"head", "n_persistent", "d_head"}, Init::constant(0));
  };
  return {declare(".persistent_k"), declare(".persistent_v")};
}

}  // namespace

Var attention_mixer(const MixerContext& c, const TokenRows& x, const MixerConfig& config) {
  const std::int64_t batch = x.shape()[0], positions = x.shape()[1], channels = config.n_heads * config.d_head;
  const Var q = by_head(projected(c, x, "Q", config), config);
  const Var k = by_head(projected(c, x, "K", config), config);
  const Var v = by_head(projected(c, x, "V", config), config);
  const WindowAttentionOptions options{.window = config.kind == "sliding_window" ? config.window : 0,
                                       .rotary = config.rotary};
  const WindowAttentionOutput y = window_attention(q, k, v, declare_prefix(c, config), options, c.carry, c.name);
  if (y.pattern) tap(c, "pattern", y.pattern);
  if (y.prefix) tap(c, "persistent_pattern", y.prefix);
  const Var read = reshape(permute(y.out, {1, 2, 0, 3}), {batch, positions, channels});
  return matmul(c.asked ? c.asked.rows(read) : read, weight(c, "W_O", channels, x.shape()[2], {"channel", "d_model"}));
}

}  // namespace saltus::titans
