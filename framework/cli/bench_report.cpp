#include "cli/bench_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/check.h"

namespace saltus::cli {
namespace {

using Json = nlohmann::ordered_json;

double best(const std::vector<double>& ms) { return *std::min_element(ms.begin(), ms.end()); }

/// GFLOP/s of something that takes milliseconds.
double gflops(double flops, double ms) { return ms > 0 ? flops / ms / 1e6 : 0; }

void print_floor(const BenchResult& r) {
  const Floor& f = r.floor;
  const FloorTime time = time_of(f, r.peaks, r.threads);
  fmt::print(
      "what a step needs at least{}\n",
      f.counted ? ", by the system's own count" : ": nobody has counted it for this system, so the plan's operations");
  fmt::print("  {:<35} {:>8.2f} MFLOP, {:.3f} ms at {:.1f} GFLOP/s\n", "operations", f.flops / 1e6, time.compute_ms,
             r.peaks.multiply_add * r.threads / 1e9);
  fmt::print("  {:<35} {:>8.2f} MB,    {:.3f} ms at {:.1f} GB/s (parameters {:.2f}, examples {:.2f}, {} MB)\n", "bytes",
             f.bytes() / 1e6, time.bytes_ms, r.peaks.step * r.threads / 1e9, f.parameter_bytes / 1e6,
             f.example_bytes / 1e6,
             f.counted ? fmt::format("kept for the gradient {:.2f}", f.kept_bytes / 1e6)
                       : "what is kept for the gradient not counted,");
  fmt::print("  {:<35} {:>8.3f} ms, bound by {}; measured: median {:.1f}, best {:.1f} times as long\n", "floor",
             time.ms(), time.bound_by(), median(r.ms) / time.ms(), best(r.ms) / time.ms());
  fmt::print(
      "  this machine, one thread: multiply-adds {:.1f} GFLOP/s, a product {:.1f} GFLOP/s; copying {:.1f} GB/s in "
      "memory, {:.1f} GB/s in L2\n\n",
      r.peaks.multiply_add / 1e9, r.peaks.product / 1e9, r.peaks.memory / 1e9, r.peaks.second_level / 1e9);
}

void print_instructions(const BenchResult& r, int count) {
  if (count == 0) return;
  fmt::print("\ndearest instructions                  ms/step   calls  GFLOP/s  of peak  operands\n");
  for (const Cost& c :
       std::span(r.split.instructions).first(std::min(static_cast<std::size_t>(count), r.split.instructions.size()))) {
    const double rate = gflops(c.flops, c.ms);
    fmt::print("  {:<35} {:>8.4f} {:>7} {:>8.1f} {:>7.1f}%  {}{}\n", c.name, c.ms, c.calls, rate,
               1e11 * rate / r.peaks.multiply_add, c.operands, c.scope.empty() ? "" : "  in " + c.scope);
  }
}

void print_recording(const BenchResult& r) {
  const RecordingCost& c = r.recording;
  const double all = median(r.ms) + c.evaluation_per_step + c.recording_per_step;
  fmt::print("\nbesides training, at the config's cadence  ms/step  of a run's time\n");
  fmt::print("  {:<38} {:>9.4f} {:>15.2f}%  {:.2f} ms each\n", "evaluation", c.evaluation_per_step,
             100 * c.evaluation_per_step / all, c.evaluation);
  fmt::print("  {:<38} {:>9.4f} {:>15.2f}%  a row {:.4f} ms, a snapshot {:.2f}, a saved state {:.2f}, run.h5 {:.2f}\n",
             "recording", c.recording_per_step, 100 * c.recording_per_step / all, c.row, c.snapshot, c.saved_state,
             c.rewrite);
}

Json cost_json(const Cost& c) {
  return {{"op", c.name}, {"ms", c.ms}, {"calls", c.calls}, {"flops", c.flops}, {"bytes", c.bytes}};
}

Json floor_json(const BenchResult& r) {
  const Floor& f = r.floor;
  const FloorTime time = time_of(f, r.peaks, r.threads);
  return {{"counted", f.counted},
          {"flops", f.flops},
          {"bytes", f.bytes()},
          {"parameter_bytes", f.parameter_bytes},
          {"example_bytes", f.example_bytes},
          {"kept_bytes", f.counted ? Json(f.kept_bytes) : Json(nullptr)},
          {"compute_ms", time.compute_ms},
          {"bytes_ms", time.bytes_ms},
          {"ms", time.ms()},
          {"bound_by", time.bound_by()},
          {"ratio", median(r.ms) / time.ms()},
          {"best_ratio", best(r.ms) / time.ms()}};
}

}  // namespace

void print_text(const BenchResult& r, int instructions) {
  fmt::print("{}: {} samples a step in {} shards, {:.0f} MFLOP a step, {} thread{}\n", r.config_path, r.samples,
             r.shards, r.plan_flops / 1e6, r.threads, r.threads == 1 ? "" : "s");
  fmt::print("{} rounds of {} steps: median {:.3f} ms/step ({:.1f} GFLOP/s), best {:.3f} ms/step\n\n", r.rounds,
             r.steps, median(r.ms), gflops(r.plan_flops, median(r.ms)), best(r.ms));
  print_floor(r);
  fmt::print("one thread's time, part by part        ms/step   calls  GFLOP/s\n");
  fmt::print("  {:<35} {:>8.3f}\n  {:<35} {:>8.3f}\n", "sampling", r.split.sampling, "forward and backward",
             r.split.plan);
  for (const Cost& op : r.split.ops)
    fmt::print("    {:<33} {:>8.3f} {:>7} {:>8.1f}\n", op.name, op.ms, op.calls, gflops(op.flops, op.ms));
  fmt::print("  {:<35} {:>8.3f}\n", "gradient reduction and update", r.split.update);
  print_instructions(r, instructions);
  print_recording(r);
}

void print_json(const BenchResult& r, int instructions) {
  Json ops = Json::array(), list = Json::array();
  for (const Cost& op : r.split.ops) ops.push_back(cost_json(op));
  for (const Cost& c : std::span(r.split.instructions)
                           .first(std::min(static_cast<std::size_t>(instructions), r.split.instructions.size()))) {
    Json& one = list.emplace_back(cost_json(c));
    one["operands"] = c.operands;
    one["scope"] = c.scope;
    one["share_of_peak"] = 1e9 * gflops(c.flops, c.ms) / r.peaks.multiply_add;
  }
  const RecordingCost& c = r.recording;
  const Json all = {{"threads", r.threads},
                    {"shards", r.shards},
                    {"samples", r.samples},
                    {"flops", r.plan_flops},
                    {"ms_per_step", r.ms},
                    {"split_ms", {{"sampling", r.split.sampling}, {"plan", r.split.plan}, {"update", r.split.update}}},
                    {"ops", ops},
                    {"instructions", list},
                    {"floor", floor_json(r)},
                    {"peaks",
                     {{"multiply_add_flops", r.peaks.multiply_add},
                      {"product_flops", r.peaks.product},
                      {"memory_bytes", r.peaks.memory},
                      {"second_level_bytes", r.peaks.second_level},
                      {"step_bytes", r.peaks.step}}},
                    {"recording_ms",
                     {{"evaluation", c.evaluation},
                      {"row", c.row},
                      {"snapshot", c.snapshot},
                      {"saved_state", c.saved_state},
                      {"rewrite", c.rewrite},
                      {"evaluation_per_step", c.evaluation_per_step},
                      {"recording_per_step", c.recording_per_step}}}};
  fmt::print("{}\n", all.dump());
}

void write_trace(const StepTrace& trace, const std::string& path) {
  Json events = Json::array();
  const auto lane = [&](int tid, const std::string& name) {
    events.push_back({{"ph", "M"}, {"pid", 0}, {"tid", tid}, {"name", "thread_name"}, {"args", {{"name", name}}}});
  };
  const auto event = [&](const std::string& name, int tid, double start, double end) -> Json& {
    return events.emplace_back(
        Json{{"ph", "X"}, {"pid", 0}, {"tid", tid}, {"name", name}, {"ts", start}, {"dur", end - start}});
  };
  int shards = 0;
  for (const TraceEvent& e : trace.events) shards = std::max(shards, e.shard + 1);
  for (int i = 0; i < shards; ++i) lane(i, fmt::format("shard {}", i));
  lane(shards, "reduction and update");
  for (const TraceEvent& e : trace.events) {
    Json& one = event(e.instruction ? name_of(*e.instruction) : "sampling", e.shard, e.start_us, e.end_us);
    if (!e.instruction) continue;
    one["args"] = {{"operands", operands_of(*e.instruction)},
                   {"scope", e.instruction->scope},
                   {"flops", e.instruction->flops},
                   {"bytes", e.instruction->bytes}};
  }
  event("gradient reduction and update", shards, trace.update_start_us, trace.update_end_us);
  std::ofstream file(path);
  file << Json{{"displayTimeUnit", "ns"}, {"traceEvents", events}}.dump() << "\n";
  file.close();
  check(file.good(), "cannot write {}", path);
}

}  // namespace saltus::cli
