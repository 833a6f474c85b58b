#pragma once
#include <cstdint>
#include <optional>

#include "train/run_reader.h"
#include "train/system.h"

namespace saltus {

/// Throws, as bad input, when one of the experiment's binding notes is not what the run's file says: its data have
/// changed since. What the file does not say is not compared.
void check_same_data(const RunReader& run, const Experiment& experiment);

/// Gives a model's parameters the weights of one of a run's snapshots: the last one, or that of `step`. Returns the
/// snapshot's step. Throws, as bad input and naming what there is, when the run has no such snapshot or its weights are
/// not this model's; and as check_same_data does.
std::int64_t load_weights(const RunReader& run, std::optional<std::int64_t> step, Experiment& experiment);

}  // namespace saltus
