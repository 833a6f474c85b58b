#include "experiments/titans/intervention.h"

#include <algorithm>

#include "core/check.h"
#include "data/sequence_task.h"
#include "nn/short_conv.h"

namespace saltus::titans {
namespace {

/// x [row, ...] with the first `n` rows behind the others.
Var rotated(Var x, std::int64_t n) {
  const std::int64_t rows = x.shape()[0];
  return concat({slice(x, 0, n, rows), slice(x, 0, 0, n)}, 0);
}

Var zeros_like(Var x) { return broadcast_to(x.graph->constant(0), x.shape()); }

}  // namespace

Var oracle_gates(Var role, const MixerConfig& config, Carry& carry) {
  constexpr std::int64_t roles = 4;
  const Var is = one_hot(role, roles);  // [batch, position, role]
  const auto has_role = [&](TokenRole r) {
    const auto at = static_cast<std::int64_t>(r);
    return slice(is, 2, at, at + 1);  // [batch, position, 1]
  };
  const std::int64_t width = std::max<std::int64_t>(1, config.conv_width);
  const Var all = broadcast_to(role.graph->constant(1), {1, width});
  const Var values = short_conv(has_role(TokenRole::value), all, carry, "oracle_gates.values");  // those in sight
  const Var reasons = values + (1.0 - has_role(TokenRole::filler));                              // [batch, position, 1]
  return reshape(1.0 - relu(1.0 - reasons), role.shape());
}

Var intervened_gate(Var gate, Var open, const MixerConfig& config) {
  if (config.intervention == "freeze") return zeros_like(gate);
  if (config.intervention != "oracle_gates" || !open) return gate;
  const std::int64_t batch = open.shape()[0], positions = open.shape()[1];
  const Var of_heads = broadcast_to(reshape(open, {batch, 1, positions}), {batch, config.n_heads, positions});
  return gate * reshape(of_heads, gate.shape());
}

Var intervened_question(Var q, const MixerConfig& config, const std::string& name) {
  if (config.intervention != "swap") return q;
  const std::int64_t batch = q.shape()[0] / config.n_heads;
  check_input(
      batch > 1,
      "{}: intervention swap asks the memory of the next sequence of the batch, and this batch has one sequence: set "
      "batch_size / shards, checkpoints.probes and eval.size to at least 2",
      name);
  return rotated(q, (batch - 1) * config.n_heads);  // the memory of row b + 1 gets the question of row b
}

Var intervened_answer(Var out, const MixerConfig& config) {
  if (config.intervention == "zero") return zeros_like(out);
  return config.intervention == "swap" ? rotated(out, config.n_heads) : out;
}

}  // namespace saltus::titans
