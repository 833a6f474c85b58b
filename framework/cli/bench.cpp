#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "cli/first_step.h"
#include "cli/verbs.h"
#include "train/train_step.h"

namespace saltus::cli {
namespace {

struct Arguments {
  ConfigArguments config;
  int threads = 1;
  int steps = 200;
  int rounds = 5;
  bool json = false;
  std::string first_step;
};

template <class F>
double milliseconds(const F& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

constexpr int warm_up_steps = 20;  // caches, clock and allocator
constexpr int split_repetitions = 100;

double median(std::vector<double> v) {
  const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
  std::nth_element(v.begin(), middle, v.end());
  return *middle;
}

/// All instructions of one op in one step.
struct OpCost {
  std::string name;
  int calls = 0;
  double flops = 0;
  std::vector<double> ms;  // one a repetition
};

/// A step's parts in milliseconds of one thread, all shards together.
struct Split {
  double sampling, plan, update;
  std::vector<OpCost> ops;  // dearest first
};

/// Training as the trainer does it, less what a run measures and records.
class Bench {
 public:
  Bench(const TrainConfig& config, int threads)
      : config_(config),
        pool_(static_cast<int>(std::min<std::int64_t>(threads, config.shards))),
        experiment_(build_experiment(config)),
        train_step_(*experiment_, config, pool_),
        optimizer_(config.optimizer, static_cast<std::size_t>(experiment_->params.block_size())) {}

  int threads() const { return pool_.threads(); }
  double flops() const {
    double sum = 0;
    for (const Instruction& ins : train_step_.plan(step_).instructions()) sum += ins.flops;
    return sum * static_cast<double>(config_.shards);
  }

  void step() {
    train_step_.run(step_);
    update();
  }

  /// Milliseconds a step, one number a round.
  std::vector<double> time(int rounds, int steps) {
    for (int i = 0; i < warm_up_steps; ++i) step();
    std::vector<double> ms;
    for (int round = 0; round < rounds; ++round) {
      const double total = milliseconds([&] {
        for (int i = 0; i < steps; ++i) step();
      });
      ms.push_back(total / steps);
    }
    return ms;
  }

  /// Times the first shard's sampling and instructions one by one, this shard standing for all, and the whole update. Of a task with
  /// buckets, the next step's.
  Split split() {
    const auto shards = static_cast<int>(config_.shards);
    const std::int64_t step = step_;
    const Plan& plan = train_step_.plan(step);
    const Task& task = *experiment_->task;
    const BatchBuffers buffers(task.bucket_fields(task.train_bucket(step)), static_cast<int>(config_.batch_size) / shards, plan);
    std::vector<OpCost> ops;
    std::vector<double> sampling, instructions, updates;
    for (int i = 0; i < split_repetitions; ++i) {
      sampling.push_back(shards * milliseconds([&] { task.sample_train(step, 0, buffers.batch()); }));
      double sum = 0;
      for (const Instruction& ins : plan.instructions()) {
        const double ms = shards * milliseconds([&] { ins.kernel({ins.in, ins.out, ins.attrs}); });
        OpCost& cost = cost_of(ops, ins.op ? ins.op->name : "copy");
        cost.ms.resize(static_cast<std::size_t>(i) + 1);
        cost.ms.back() += ms;
        if (i == 0) cost.calls += shards;
        if (i == 0) cost.flops += shards * ins.flops;
        sum += ms;
      }
      instructions.push_back(sum);
      train_step_.run(step_);
      updates.push_back(milliseconds([&] { update(); }));
    }
    std::sort(ops.begin(), ops.end(), [](const OpCost& a, const OpCost& b) { return median(a.ms) > median(b.ms); });
    return {median(sampling), median(instructions), median(updates), ops};
  }

 private:
  void update() {
    train_step_.update(optimizer_, step_, config_.steps);
    ++step_;
  }

  static OpCost& cost_of(std::vector<OpCost>& ops, const char* name) {
    const auto found = std::find_if(ops.begin(), ops.end(), [name](const OpCost& cost) { return cost.name == name; });
    return found != ops.end() ? *found : ops.emplace_back(OpCost{name, 0, 0, {}});
  }

  const TrainConfig& config_;
  ThreadPool pool_;
  std::unique_ptr<Experiment> experiment_;
  TrainStep train_step_;
  Optimizer optimizer_;
  std::int64_t step_ = 0;
};

void print_text(const Arguments& a, const TrainConfig& config, const Bench& bench, const std::vector<double>& ms,
                const Split& split) {
  fmt::print("{}: {} samples a step in {} shards, {:.0f} MFLOP a step, {} thread{}\n", a.config.path, config.batch_size,
             config.shards, bench.flops() / 1e6, bench.threads(), bench.threads() == 1 ? "" : "s");
  fmt::print("{} rounds of {} steps: median {:.3f} ms/step ({:.1f} GFLOP/s), best {:.3f} ms/step\n\n", a.rounds,
             a.steps, median(ms), bench.flops() / median(ms) / 1e6, *std::min_element(ms.begin(), ms.end()));
  fmt::print("one thread's time, part by part        ms/step   calls  GFLOP/s\n");
  fmt::print("  {:<35} {:>8.3f}\n  {:<35} {:>8.3f}\n", "sampling", split.sampling, "forward and backward", split.plan);
  for (const OpCost& op : split.ops) {
    fmt::print("    {:<33} {:>8.3f} {:>7} {:>8.1f}\n", op.name, median(op.ms), op.calls,
               op.flops / median(op.ms) / 1e6);
  }
  fmt::print("  {:<35} {:>8.3f}\n", "gradient reduction and update", split.update);
}

void print_json(const TrainConfig& config, const Bench& bench, const std::vector<double>& ms, const Split& split) {
  std::vector<std::string> ops;
  for (const OpCost& op : split.ops) {
    ops.push_back(fmt::format(R"({{"op": "{}", "ms": {:.5f}, "calls": {}, "flops": {:.0f}}})", op.name, median(op.ms),
                              op.calls, op.flops));
  }
  fmt::print(R"({{"threads": {}, "shards": {}, "samples": {}, "flops": {:.0f}, "ms_per_step": [{:.5f}], )",
             bench.threads(), config.shards, config.batch_size, bench.flops(), fmt::join(ms, ", "));
  fmt::print(R"("split_ms": {{"sampling": {:.5f}, "plan": {:.5f}, "update": {:.5f}}}, "ops": [{}]}})", split.sampling,
             split.plan, split.update, fmt::join(ops, ", "));
  fmt::print("\n");
}

int bench_verb(Arguments& a, const CLI::App& verb) {
  const TrainConfig config = a.config.read(verb);
  if (!a.first_step.empty()) write_first_step(config, a.first_step);
  Bench bench(config, a.threads);
  const std::vector<double> ms = bench.time(a.rounds, a.steps);
  const Split split = bench.split();
  if (a.json) print_json(config, bench, ms, split);
  if (!a.json) print_text(a, config, bench, ms, split);
  return 0;
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("bench", "time a config's training step, examples included, and its parts");
  a->config.add_to(*verb);
  verb->add_option("--threads", a->threads, "threads, at most one a shard")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  verb->add_option("--steps", a->steps, "steps a round")->check(CLI::Range(1, 1000000))->capture_default_str();
  verb->add_option("--rounds", a->rounds, "rounds; their median and their best are shown")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_flag("--json", a->json, "print numbers as JSON");
  verb->add_option(
      "--first-step", a->first_step,
      "also write step 0 into this folder as .npy files: batch, loss, gradients, parameters before and after");
  return [a, verb] { return bench_verb(*a, *verb); };
}

}  // namespace saltus::cli
