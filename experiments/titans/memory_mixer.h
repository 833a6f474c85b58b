#pragma once
#include <vector>

#include "experiments/titans/memory.h"
#include "experiments/titans/mixers.h"

namespace saltus::titans {

/// Kind memory of mix(), in its parts, for blocks that use them in another order (mac_block). x [batch, position,
/// d_model] throughout.
Var memory_mixer(const MixerContext& c, const TokenRows& x, const MixerConfig& config);

/// q, k, v and the gates of every token (section 1.2 of the notes): theta = theta_max s(x w + b), eta = s(...), alpha =
/// alpha_max s(...); eta is 0 without momentum, alpha without decay; theta and alpha are what the intervention leaves
/// of them. Taps q, k, theta, eta and alpha. q is of the asked positions alone where these are few, and then no tap.
MemoryInputs memory_inputs(const MixerContext& c, const TokenRows& x, const MixerConfig& config);

/// M_0, one a layer [row, in, out]. The layers' widths: d_head, memory_expansion d_head between layers, d_head.
std::vector<Var> memory_initial(const MixerContext& c, std::int64_t batch, const MixerConfig& config);

/// Where this recording begins: M_0 and no surprise, or what was carried as "<name>.M.<layer>" and, with momentum,
/// "<name>.S.<layer>".
MemoryState memory_begin(const MixerContext& c, const std::vector<Var>& initial, const MixerConfig& config);
/// Carries `state` on; taps the layers' weights as "<name>.M.<layer>", [batch, head, in, out], and |S|, all layers
/// together, as "<name>.momentum_norm" [batch, head].
void memory_end(const MixerContext& c, const MemoryState& state, const MixerConfig& config);

/// memory_chunked and memory_read under the config's intervention; q and what is read [row, position, d_head].
MemoryOutput memory_pass(const MixerContext& c, const MemoryInputs& in, const MemoryState& state,
                         const std::vector<Var>& initial, const MixerConfig& config);
Var memory_ask(const MixerContext& c, const std::vector<Var>& M, Var q, const MixerConfig& config);

MemoryOptions memory_options(const MixerConfig& config);

/// Floats of M alone, all heads of one sequence.
std::int64_t memory_size(const MixerConfig& config);

}  // namespace saltus::titans
