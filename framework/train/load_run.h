#pragma once
#include <cstdint>
#include <memory>
#include <optional>

#include "train/config.h"
#include "train/run_reader.h"

namespace saltus {

/// A run's system, built from the config that its file holds, with the weights of one of its snapshots.
struct LoadedRun {
  std::unique_ptr<Experiment> experiment;
  std::int64_t step;  // of the snapshot
};

/// The last snapshot, or that of `step`. Throws, as bad input, what RunReader, reading the config and load_weights throw.
LoadedRun load_run(const RunReader& run, SystemTable systems, std::optional<std::int64_t> step);

}  // namespace saltus
