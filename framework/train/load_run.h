#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "config/reader.h"
#include "train/config.h"
#include "train/run_reader.h"

namespace saltus {

/// A run's system, built from the config that its file holds, with the weights of one of its snapshots.
struct LoadedRun {
  std::unique_ptr<Experiment> experiment;
  std::int64_t step;  // of the snapshot
};

/// The config that a run's file holds, with overrides. Where the data of the user's own are not where the config says,
/// seen from here, but still where the run found them, they are read there; a path among the overrides is taken as it
/// is. Throws, as bad input, when the config cannot be read, or naming the run and the paths when the data are at
/// neither.
TrainConfig config_of_run(const RunReader& run, SystemTable systems, const std::vector<Override>& overrides);

/// As config_of_run, of a config that has been read already.
void find_data(TrainConfig& config, const RunReader& run);

/// The last snapshot, or that of `step`. Throws, as bad input, what RunReader, config_of_run and load_weights throw.
LoadedRun load_run(const RunReader& run, SystemTable systems, std::optional<std::int64_t> step,
                   const std::vector<Override>& overrides);

}  // namespace saltus
