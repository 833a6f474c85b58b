#pragma once
#include <cstdint>
#include <optional>

#include "nn/params.h"
#include "train/run_reader.h"

namespace saltus {

/// Gives a model's parameters the weights of one of a run's snapshots: the last one, or that of `step`. Returns the
/// snapshot's step. Throws, as bad input and naming what there is, when the run has no such snapshot or its weights are
/// not this model's.
std::int64_t load_weights(const RunReader& run, std::optional<std::int64_t> step, ParamStore& params);

}  // namespace saltus
