#include <fmt/format.h>

#include <memory>

#include "cli/verbs.h"
#include "train/train_step.h"

namespace saltus::cli {

Action add_plan(CLI::App& app) {
  auto a = std::make_shared<ConfigArguments>();
  CLI::App* verb = app.add_subcommand("plan", "print the instructions of a config's training step, with shapes, bytes and flops");
  a->add_to(*verb);
  return [a, verb] {
    const TrainConfig config = a->read(*verb);
    const std::unique_ptr<Experiment> experiment = build_experiment(config);
    ThreadPool pool(1);
    const TrainStep step(*experiment, config, pool);
    for (const Experiment::Fact& fact : experiment->facts) {
      if (fact.values.size() == 1) fmt::print("{} {}: {}\n", fact.measure.name, fact.values[0], fact.measure.long_name);
    }
    fmt::print("{} parameters; one of {} shards, {} samples each:\n\n{}", experiment->params.count(), config.shards,
               config.batch_size / config.shards, print(step.plan(0)));
    return 0;
  };
}

}  // namespace saltus::cli
