#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/writer.h"
#include "train/step_together.h"
#include "train/system.h"

namespace saltus {

/// A dimension of a sweep: one key, or the keys of a zip, which take their i-th values together. Values are texts as
/// write_config prints them: "0.001", "true", "[1, 2]", "null".
struct SweepAxis {
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> values;  // [index][key]
};

/// One run of a sweep.
struct SweepJob {
  std::string id;  // the first 16 hex digits of config_yaml's SHA-256: equal configs have equal ids, in any sweep
  std::vector<std::int64_t> index;  // into each axis
  std::vector<Setting> settings;    // the swept keys with their values, axis by axis
  std::string config_yaml;          // the whole resolved config
  StepKind step = {};               // which jobs may take their steps together with this one, and how many should

  /// "model.n_heads=2 seed=3"
  std::string name() const;
};

/// What a sweep is, frozen when it was created: later changes of the YAML file do not touch its jobs.
struct Manifest {
  std::string created;         // UTC, ISO 8601
  std::string program_sha256;  // of the saltus that made it; other builds do not work on its jobs
  std::string config;          // path of the YAML file it came from
  std::vector<SweepAxis> axes;
  std::vector<SweepJob> jobs;  // the product of the axes, the last varying fastest
};

/// Expands a config file (spec.h) and checks every job as training would, up to building its model. Throws Error
/// (bad_input) for what read_spec refuses, for a job whose config is impossible, naming its combination, and for two
/// jobs with the same config.
Manifest make_manifest(SystemTable table, const std::string& path, std::span<const std::string> overrides);

/// Reads and writes <folder>/manifest.json; after a crash the old file or the new one is there, whole. load_manifest
/// throws Error (bad_input) when there is none or it cannot be read as one.
Manifest load_manifest(const std::string& folder);
void save_manifest(const std::string& folder, const Manifest& manifest);

}  // namespace saltus
