#pragma once
#include "experiments/titans/mixers.h"

namespace saltus::titans {

/// Kinds ttt_linear and ttt_mlp of mix(). A token's rate is ttt_rate s(x w + b) / d_head; positions are turned within a
/// chunk. The state
/// "<name>.W.<layer>" [row, in, out] and "<name>.b.<layer>" [row, 1, out] starts at learned values, W normal with
/// standard deviation 0.02.
Var ttt_mixer(const MixerContext& c, const TokenRows& x, const MixerConfig& config);

}  // namespace saltus::titans
