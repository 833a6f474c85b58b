#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "experiments/titans/blocks.h"
#include "experiments/titans/memory_mixer.h"
#include "experiments/titans/meta_gradient.h"
#include "experiments/titans/mixer_parts.h"
#include "experiments/titans/model.h"
#include "nn/rotary.h"

namespace saltus::titans {
namespace {

/// Far below any score.
constexpr double hidden_score = 1e9;

/// Attention of a segment's tokens to the persistent keys, to what the memory knew of the tokens so far, and to the
/// tokens so far. A row is one head of one sequence.
struct SegmentAttention {
  const MixerContext& c;
  const MixerConfig& config;
  Var q, k, v;                             // of the tokens: [row, position, d_head]
  Var persistent_keys, persistent_values;  // [row, n_persistent, d_head], or empty

  SegmentAttention(const MixerContext& context, const TokenRows& u, const MixerConfig& m) : c(context), config(m) {
    q = into_rows(projected(c, u, "Q", config), config.n_heads);
    k = into_rows(projected(c, u, "K", config), config.n_heads);
    v = into_rows(projected(c, u, "V", config), config.n_heads);
    if (config.n_persistent == 0) return;
    const auto declare = [&](const char* part) {
      const Var one = c.params.declare(c.graph, c.name + part, {config.n_heads, config.n_persistent, config.d_head},
                                       {"head", "n_persistent", "d_head"}, Init::constant(0));
      return for_every_row(one, u.shape()[0]);
    };
    persistent_keys = declare(".persistent_k");
    persistent_values = declare(".persistent_v");
  }

  Var placed(Var x) const { return config.rotary ? rotary(x) : x; }

  /// [query, key] with a one where query i sees key j: all the persistent ones, then h and s up to itself.
  Var mask(std::int64_t tokens) const {
    std::vector<double> seen;
    for (std::int64_t i = 0; i < tokens; ++i) {
      seen.insert(seen.end(), static_cast<std::size_t>(config.n_persistent), 1);
      for (std::int64_t j = 0; j < 2 * tokens; ++j) seen.push_back(j % tokens <= i ? 1 : 0);
    }
    return c.graph.constant(std::move(seen), {tokens, config.n_persistent + 2 * tokens});
  }

  struct Read {
    Var y;        // [row, token, d_head]
    Var sources;  // [row, token, 3]
  };
  /// Of tokens [first, last), where h [batch, token, d_model] is what the memory knew.
  Read of_segment(std::int64_t first, std::int64_t last, Var h) const {
    const std::int64_t tokens = last - first, d_model = h.shape()[2], channels = config.n_heads * config.d_head;
    const auto from_memory = [&](const char* part) {
      return into_rows(matmul(h, weight(c, part, d_model, channels, {"d_model", "channel"})), config.n_heads);
    };
    std::vector<Var> keys = {placed(from_memory("W_K")), placed(slice(k, 1, first, last))};
    std::vector<Var> values = {from_memory("W_V"), slice(v, 1, first, last)};
    if (persistent_keys) {
      keys.insert(keys.begin(), persistent_keys);
      values.insert(values.begin(), persistent_values);
    }
    const Var scores = matmul(placed(slice(q, 1, first, last)), concat(keys, 1), false, true);  // [row, query, key]
    const Var seen = mask(tokens);
    const Var pattern =
        softmax(scores / std::sqrt(static_cast<double>(config.d_head)) + (seen - 1.0) * hidden_score) * seen;
    const auto mass = [&](std::int64_t from, std::int64_t to) { return sum(slice(pattern, 2, from, to), 2, true); };
    const std::int64_t n = config.n_persistent;
    const Var none = broadcast_to(c.graph.constant(0), {pattern.shape()[0], tokens, 1});
    return {matmul(pattern, concat(values, 1)),
            concat({n > 0 ? mass(0, n) : none, mass(n, n + tokens), mass(n + tokens, n + 2 * tokens)}, 2)};
  }
};

Var joined(std::vector<Var> parts, int axis) { return parts.size() == 1 ? parts[0] : concat(std::move(parts), axis); }

std::string segment_taps(const MixerContext& c, std::size_t segment) {
  return fmt::format("{}.segments.{}", c.name, segment);
}

/// `memory` for the tokens [first, last) alone.
MixerContext segment_context(const MixerContext& memory, Carry& parts, std::size_t segment, std::int64_t first,
                             std::int64_t last) {
  const Var open = memory.open_gates;
  return {memory.graph,
          memory.params,
          parts,
          memory.name,
          segment_taps(memory, segment),
          open ? slice(open, 1, first, last) : Var{}};
}

/// What memory_inputs tapped segment by segment, as one tap of the whole.
void tap_whole(const MixerContext& c, std::size_t segments, Purpose purpose) {
  std::vector<const char*> names = {"q", "k", "theta", "eta", "alpha"};
  if (purpose == Purpose::measure) names.insert(names.end(), {"inner_loss", "surprise", "momentum_alignment"});
  for (const char* part : names) {
    const bool vectors = std::string_view(part) == "q" || std::string_view(part) == "k";
    std::vector<Var> parts;  // [batch, head, ..., position], of vectors [batch, head, position, d_head]
    for (std::size_t s = 0; s < segments; ++s)
      parts.push_back(c.graph.tapped(fmt::format("{}.{}", segment_taps(c, s), part)));
    tap(c, part, joined(std::move(parts), vectors ? -2 : -1));
  }
}

}  // namespace

Var mac_block(const MixerContext& memory, const MixerContext& attention, const TokenRows& u, const ModelConfig& model,
              Purpose purpose) {
  const MixerConfig& config = model.mixer;
  const std::int64_t batch = u.shape()[0], positions = u.shape()[1], d = model.d_model,
                     channels = config.n_heads * config.d_head;
  check_input(memory.carry.mode() == Carry::Mode::whole_sequence || positions % model.segment == 0,
              "{}: a stretch of {} tokens is not whole segments of {}", memory.name, positions, model.segment);
  const SegmentAttention attend(attention, u, config);
  const Var W_read = weight(memory, "W_read", d, channels, {"d_model", "channel"});
  const Var questions =
      into_rows(u.map([W_read](Var rows) { return silu(matmul(rows, W_read)); }).all(), config.n_heads);
  const Var q = l2_normalised(questions);  // [row, position, d_head]: of h
  const Var W_h = weight(memory, "W_h", channels, d, {"channel", "d_model"}),
            W_y = weight(attention, "W_O", channels, d, {"channel", "d_model"});

  const std::vector<Var> initial = memory_initial(memory, batch, config);
  MemoryState state = memory_begin(memory, initial, config);
  Carry parts = Carry::in_parts(memory.carry);
  std::vector<Var> y, m, sources;
  for (std::int64_t first = 0; first < positions; first += model.segment) {
    const std::int64_t last = std::min(first + model.segment, positions);
    const MixerContext segment = segment_context(memory, parts, y.size(), first, last);
    const Var h = matmul(from_rows(memory_ask(memory, state.M, slice(q, 1, first, last), config), config.n_heads),
                         W_h);  // [batch, token, d_model]
    const SegmentAttention::Read r = attend.of_segment(first, last, h);
    y.push_back(matmul(from_rows(r.y, config.n_heads), W_y));
    sources.push_back(r.sources);
    const MemoryInputs in = memory_inputs(segment, y.back(), config);
    const MemoryOutput written = memory_pass(memory, in, state, initial, config);
    if (purpose == Purpose::measure) {
      tap_writes(segment, in, state, initial, config);
      tap_chunk_starts(segment, written);
    }
    m.push_back(written.out);
    state = written.state;
  }
  parts.join();
  memory_end(memory, state, config);
  tap_whole(memory, y.size(), purpose);
  const Var all_sources = joined(std::move(sources), 1);  // [row, position, source]
  tap(attention, "sources", reshape(all_sources, {batch, config.n_heads, positions, 3}));

  const Var all_y = joined(std::move(y), 1);  // [batch, position, d_model]
  const Var gate = sigmoid(normalised(memory, "norm_out", read_out(memory, all_y, joined(std::move(m), 1), config)));
  tap(memory, "gate", gate);
  return matmul(normalised(attention, "norm_out", all_y) * gate, weight(memory, "W_gated", d, d, {"d_model", "d_out"}));
}

}  // namespace saltus::titans
