#include "experiments/titans/mixers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "experiments/titans/attention_mixer.h"
#include "experiments/titans/delta.h"
#include "experiments/titans/gru.h"
#include "experiments/titans/memory_mixer.h"
#include "experiments/titans/mixer_parts.h"
#include "experiments/titans/ttt_mixer.h"

namespace saltus::titans {
namespace {

bool is_one_of(const std::string& kind, std::initializer_list<const char*> kinds) {
  return std::any_of(kinds.begin(), kinds.end(), [&](const char* k) { return kind == k; });
}

/// Kinds whose state is one matrix a head, carried as "<name>.S" [row, d_head, d_head] from 0.
Var matrix_mixer(const MixerContext& c, const TokenRows& x, const MixerConfig& config) {
  const QueryKeyValue p = query_key_value(c, x, config);  // [row, position, d_head]
  const Shape square = {p.q.shape()[0], config.d_head, config.d_head};
  const Var state = c.carry.begin(c.name + ".S", broadcast_to(c.graph.constant(0), square));
  MatrixRuleOutput y;
  if (config.kind == "linear_attention") {
    y = linear_attention(p.q, p.k, p.v, state, config.chunk);
  } else {
    const Var beta = token_gate(c, x, "beta", config, 0.5);  // [row, position]
    tap_gate(c, "beta", beta, config.n_heads);
    Var kept;
    if (config.kind == "gated_deltanet") {
      const Var alpha = config.alpha_max * token_gate(c, x, "alpha", config, config.alpha_start / config.alpha_max);
      tap_gate(c, "alpha", alpha, config.n_heads);
      kept = 1.0 - alpha;
    }
    y = delta_rule(p.q, p.k, p.v, beta, kept, state, config.chunk);
  }
  c.carry.end(c.name + ".S", y.state);
  return read_out(c, x, asked_rows(c, y.out, config), config);
}

Var gru_mixer(const MixerContext& c, const TokenRows& x, const MixerConfig& config) {
  const std::int64_t batch = x.shape()[0], d_model = x.shape()[2], n = config.n_heads * config.d_head;
  const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(n)));  // PyTorch's
  const auto declare = [&](const char* part, Shape shape, std::vector<std::string> dims) {
    return c.params.declare(c.graph, c.name + part, shape, std::move(dims), init);
  };
  const GruWeights w{.W_input = declare(".W_input", {d_model, 3 * n}, {"d_model", "gru_gate"}),
                     .b_input = declare(".b_input", {3 * n}, {"gru_gate"}),
                     .W_hidden = declare(".W_hidden", {n, 3 * n}, {"channel", "gru_gate"}),
                     .b_hidden = declare(".b_hidden", {3 * n}, {"gru_gate"})};
  const GruOutput y = gru(x.all(), w, c.carry.begin(c.name + ".h", broadcast_to(c.graph.constant(0), {batch, n})));
  c.carry.end(c.name + ".h", y.state);
  const Var read = c.asked ? c.asked.rows(y.out) : y.out;  // [batch, position or question, hidden]
  return matmul(read, weight(c, "W_O", n, d_model, {"channel", "d_model"}));
}

void require_rules(Fields& f, const MixerConfig& c) {
  const bool memory = c.kind == "memory", alpha = (memory && c.decay) || c.kind == "gated_deltanet";
  f.require(!alpha || c.alpha_start < c.alpha_max, "alpha_start",
            fmt::format("alpha_start ({}) must be below alpha_max ({})", c.alpha_start, c.alpha_max));
  f.require(!memory || c.eta_start < 1, "eta_start", fmt::format("eta_start must be below 1, got {}", c.eta_start));
  f.require(!memory || !c.memory_residual || c.memory_depth > 1, "memory_residual",
            fmt::format("memory_residual needs memory_depth 2 or more, got {}", c.memory_depth));
  f.require(!memory || !c.decay || c.memory_depth == 1 || c.decay_to_initial || c.alpha_max < 1, "alpha_max",
            "a memory of several layers that forgets all (alpha_max 1) towards 0 never learns again; set alpha_max "
            "below 1 or decay_to_initial");
  const bool turns = is_one_of(c.kind, {"attention", "sliding_window", "ttt_linear", "ttt_mlp"});
  f.require(!turns || !c.rotary || c.d_head % 2 == 0, "d_head",
            fmt::format("rotary positions need an even d_head, got {}", c.d_head));
  f.require(
      !memory || c.memory_depth == 1 || c.theta_max <= 0.2, "theta_max",
      fmt::format(
          "theta_max ({}) must be 0.2 or less for a memory of several layers, whose weights it would send to infinity; "
          "0.1 is a good start",
          c.theta_max));
  f.require(memory || c.intervention == "none", "intervention",
            fmt::format("intervention {} is done to a memory, and kind {} has none: use kind memory, or none",
                        c.intervention, c.kind));
}

}  // namespace

void MixerConfig::fields(Fields& f) {
  f.choice("kind", kind,
           {"attention", "sliding_window", "linear_attention", "deltanet", "gated_deltanet", "ttt_linear", "ttt_mlp",
            "gru", "memory"},
           "attention, sliding_window: softmax attention to all earlier tokens, to the last `window`; "
           "linear_attention, deltanet, "
           "gated_deltanet: a matrix a head with the update k'v, the delta rule, the delta rule with decay; "
           "ttt_linear, ttt_mlp: a network a "
           "head trained on v - k; gru: n_heads d_head units; memory: the memory of Titans");
  f.field("n_heads", n_heads, "heads", between(1, 64));
  f.field("d_head", d_head, "width of a head's q, k and v", at_least(1));
  f.field("conv_width", conv_width, "tokens that the convolution on q, k and v sees, of every kind but gru; 0: none",
          between(0, 64));
  f.field("window", window, "tokens that a query of sliding_window sees, itself included", at_least(1));
  f.field("n_persistent", n_persistent, "learned keys and values that each query of attention and sliding_window sees",
          at_least(0));
  f.field("rotary", rotary,
          "rotary positions on q and k of attention and sliding_window, and within a chunk of ttt_linear and ttt_mlp");
  f.field("chunk", chunk,
          "memory, ttt_linear, ttt_mlp: tokens whose inner gradients are taken at the same weights, a part of the "
          "model; linear_attention and "
          "the delta kinds: tokens computed together, which changes nothing but the time",
          at_least(1));
  f.field("memory_depth", memory_depth, "layers of the memory", between(1, 8));
  f.field("memory_expansion", memory_expansion, "width between the layers of memory and ttt_mlp, in d_head",
          at_least(1));
  f.field("memory_residual", memory_residual, "the memory is x + net(x) instead of net(x)");
  f.field("theta_max", theta_max,
          "largest step theta of the memory; a token's is theta_max sigmoid(x w + b), half of it at the start. Large "
          "chunks "
          "need a smaller one: at chunk 64, 0.1 or less",
          above(0));
  f.field("alpha_max", alpha_max, "largest share alpha that memory and gated_deltanet forget at a token",
          {.lo = 0, .hi = 1, .lo_open = true});
  f.field("alpha_start", alpha_start, "alpha at the start, for every token", above(0));
  f.field("eta_start", eta_start, "the memory's momentum eta at the start, for every token", above(0));
  f.field("ttt_rate", ttt_rate,
          "largest inner learning rate of ttt_linear and ttt_mlp, times d_head; half of it at the start", above(0));
  f.field("momentum", momentum, "the memory's past surprise lives on; false: eta = 0");
  f.field("decay", decay, "the memory forgets; false: alpha = 0");
  f.field("learned_initial", learned_initial,
          "the memory starts at trained weights; false: at 0, with several layers at random ones");
  f.field("decay_to_initial", decay_to_initial, "the memory forgets towards its initial weights; false: towards 0");
  f.field("read_before_write", read_before_write, "a token reads the memory before its own write");
  f.field("first_order", first_order,
          "the training gradient does not pass through the weights at which inner gradients are taken");
  f.field("output_gate", output_gate,
          "what linear_attention, the delta and ttt kinds and memory read is multiplied by SiLU(x W_G)");
  f.choice("intervention", intervention, {"none", "zero", "freeze", "swap", "oracle_gates"},
           "what is done to memories, to see what they are for, in training or as an override of `saltus eval`. zero: "
           "they answer 0; freeze: they stay at their initial weights; swap: a sequence asks the memory that the next "
           "one of the batch wrote; oracle_gates: filler writes nothing and forgets nothing, theta = alpha = 0, unless "
           "it sees a value in the convolution, whose pair it may be the one to write");
  require_rules(f, *this);
}

Var mix(const MixerContext& c, const TokenRows& x, const MixerConfig& config) {
  const Scope scope(c.graph, c.name);
  check(x.shape().rank() == 3, "{}: x must be [batch, position, d_model], got {}", c.name, x.shape().str());
  const bool stretch = c.carry.mode() == Carry::Mode::stretch;
  check_input(!stretch || config.kind != "attention",
              "{}: attention to all tokens cannot run over a stream, its state grows with it; sliding_window can",
              c.name);
  check_input(
      !stretch || !is_one_of(config.kind, {"memory", "ttt_linear", "ttt_mlp"}) || x.shape()[1] % config.chunk == 0,
      "{}: a stream of {} goes in whole chunks of {} tokens, not in stretches of {}", c.name, config.kind, config.chunk,
      x.shape()[1]);
  if (is_one_of(config.kind, {"attention", "sliding_window"})) return attention_mixer(c, x, config);
  if (is_one_of(config.kind, {"ttt_linear", "ttt_mlp"})) return ttt_mixer(c, x, config);
  if (config.kind == "gru") return gru_mixer(c, x, config);
  if (config.kind == "memory") return memory_mixer(c, x, config);
  return matrix_mixer(c, x, config);
}

std::int64_t state_size(const MixerConfig& config, std::int64_t position) {
  const std::int64_t d = config.d_head, channels = config.n_heads * d, hidden = config.memory_expansion * d;
  if (config.kind == "gru") return channels;
  const std::int64_t tails = 3 * channels * std::max<std::int64_t>(0, config.conv_width - 1);
  if (config.kind == "attention") return 2 * channels * position + tails;
  if (config.kind == "sliding_window") return 2 * channels * std::min(config.window, position) + tails;
  if (config.kind == "ttt_linear") return config.n_heads * (d * d + d) + tails;
  if (config.kind == "ttt_mlp") return config.n_heads * (2 * d * hidden + hidden + d) + tails;
  if (config.kind == "memory") return (config.momentum ? 2 : 1) * memory_size(config) + tails;
  return config.n_heads * d * d + tails;
}

}  // namespace saltus::titans
