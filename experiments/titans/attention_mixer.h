#pragma once
#include "experiments/titans/mixers.h"

namespace saltus::titans {

/// Kinds attention and sliding_window of mix(): softmax attention with a learned prefix. Taps pattern [head, batch,
/// query, key] (of a whole sequence) and persistent_pattern [head, batch, query, n_persistent].
Var attention_mixer(const MixerContext& c, const TokenRows& x, const MixerConfig& config);

}  // namespace saltus::titans
