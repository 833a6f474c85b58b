#include <memory>

#include "cli/bench_report.h"
#include "cli/first_step.h"
#include "cli/verbs.h"

namespace saltus::cli {
namespace {

struct Arguments {
  ConfigArguments config;
  int threads = 1;
  int steps = 200;
  int rounds = 5;
  int instructions = 0;
  bool json = false;
  std::string first_step, trace;
};

int bench_verb(Arguments& a, const CLI::App& verb) {
  const TrainConfig config = a.config.read(verb);
  if (!a.first_step.empty()) write_first_step(config, a.first_step);
  Bench bench(config, a.threads);
  BenchResult result{.config_path = a.config.path,
                     .samples = config.batch_size,
                     .shards = config.shards,
                     .threads = bench.threads(),
                     .rounds = a.rounds,
                     .steps = a.steps};
  result.ms = bench.time(a.rounds, a.steps);
  result.plan_flops = plan_flops(bench, config);
  result.floor = floor_of(bench, config);
  result.peaks = measure_peaks(result.floor);
  result.split = bench.split();
  if (!a.trace.empty()) write_trace(bench.trace(), a.trace);
  result.recording = recording_cost(config, bench.threads(), median(result.ms));
  if (a.json) print_json(result, a.instructions);
  if (!a.json) print_text(result, a.instructions);
  return 0;
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand(
      "bench",
      "time a config's training step and its parts, beside what it needs at least and what recording it costs");
  a->config.add_to(*verb);
  verb->add_option("--threads", a->threads, "threads, at most one a shard")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--steps", a->steps, "steps a round")->check(CLI::Range(1, 1000000))->capture_default_str();
  verb->add_option("--rounds", a->rounds, "rounds; their median and their best are shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_option("--instructions", a->instructions, "also show so many instructions one by one, the dearest first")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  verb->add_option("--trace", a->trace,
                   "also write one step into this file, instruction by instruction, for chrome://tracing or Perfetto");
  verb->add_flag("--json", a->json, "print numbers as JSON");
  verb->add_option(
      "--first-step", a->first_step,
      "also write step 0 into this folder as .npy files: batch, loss, gradients, parameters before and after");
  return [a, verb] { return bench_verb(*a, *verb); };
}

}  // namespace saltus::cli
