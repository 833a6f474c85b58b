#include "train/load_run.h"

#include "config/reader.h"
#include "core/check.h"
#include "train/load_weights.h"

namespace saltus {

LoadedRun load_run(const RunReader& run, SystemTable systems, std::optional<std::int64_t> step) {
  const std::optional<std::string> yaml = run.text("config_yaml");
  check_input(yaml.has_value(), "{} does not hold its config", run.path());
  TrainConfig config(systems);
  read_config_text(run.path() + ":config_yaml", *yaml, {}, [&config](Fields& f) { config.fields(f); });
  LoadedRun loaded{build_experiment(config), 0};
  loaded.step = load_weights(run, step, *loaded.experiment);
  return loaded;
}

}  // namespace saltus
