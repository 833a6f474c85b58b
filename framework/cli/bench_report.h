#pragma once
#include <string>
#include <vector>

#include "cli/bench_floor.h"
#include "cli/bench_recording.h"

namespace saltus::cli {

/// All that `saltus bench` found.
struct BenchResult {
  std::string config_path;
  std::int64_t samples = 0, shards = 0;
  int threads = 0, rounds = 0, steps = 0;
  double plan_flops = 0;        // the plans' own count
  std::vector<double> ms = {};  // a step, one a round
  Split split = {};
  Floor floor = {};
  Peaks peaks = {};
  RecordingCost recording = {};
};

/// For a person, with the `instructions` dearest instructions one by one.
void print_text(const BenchResult& result, int instructions);
/// One JSON object, the same numbers.
void print_json(const BenchResult& result, int instructions);

/// Writes a step as Chrome's trace JSON, which chrome://tracing and Perfetto show: a lane a shard, an event an
/// instruction. Throws Error when it cannot.
void write_trace(const StepTrace& trace, const std::string& path);

}  // namespace saltus::cli
