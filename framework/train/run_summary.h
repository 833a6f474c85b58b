#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/writer.h"
#include "probes/jump.h"
#include "train/run_reader.h"
#include "train/system.h"

namespace saltus {

/// One of the measures that a system names as the ones to look at.
struct HeadlineSeries {
  std::string set, measure;    // "ic", "accuracy"
  std::vector<double> values;  // one an evaluation; empty when the file does not hold the measure
  std::optional<std::int64_t>
      half_at;  // of an accuracy: first evaluation that is on the other side of 1/2 than the first one, or on it

  std::string name() const { return set + " " + measure; }
};

/// What a run amounts to, from its file alone.
struct RunSummary {
  std::string system, status;
  std::optional<std::int64_t> seed;
  std::int64_t steps_taken = 0;         // of a run that goes on: as far as run.h5 knows
  std::optional<std::int64_t> steps;    // that the config asks for
  std::optional<double> wall_s;         // of all processes that worked on it; nothing while none has ended
  std::vector<Setting> settings;        // its config, key by key
  std::vector<Difference> differences;  // the config (b) against its system's defaults (a)
  std::string config_problem;           // why this program cannot read the config; then the four above it are empty
  std::vector<Jump> jumps;              // of the first headline measure
  std::vector<HeadlineSeries> headlines;
};

/// Reads it. `systems` is what the file's config is read with.
RunSummary summarize(const RunReader& run, SystemTable systems);

/// The run.h5 that `path` means: itself, or the one in it when it is a folder. Throws, as bad input and saying what to
/// do, when there is none.
std::string find_run_file(const std::string& path);

}  // namespace saltus
