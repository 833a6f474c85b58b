#include "train/load_run.h"

#include <algorithm>
#include <filesystem>

#include "core/check.h"
#include "train/load_weights.h"

namespace saltus {

namespace {

bool is_there(const std::string& path) {
  std::error_code none;
  return std::filesystem::exists(path, none);
}

}  // namespace

void find_data(TrainConfig& config, const RunReader& run) {
  const std::optional<std::string> recorded = run.text("data_path");
  if (!recorded || !config.system.set_data_path) return;
  const std::string here = config.system.data_path();
  if (is_there(here)) return;
  check_input(is_there(*recorded),
              "{}: its data are neither at {} nor at {}, where they were; say where they are: {}=PATH", run.path(),
              here, *recorded, config.system.data_path_key);
  config.system.set_data_path(*recorded);
}

TrainConfig config_of_run(const RunReader& run, SystemTable systems, const std::vector<Override>& overrides) {
  const std::optional<std::string> yaml = run.text("config_yaml");
  check_input(yaml.has_value(), "{} does not hold its config", run.path());
  TrainConfig config(systems);
  read_config_text(run.path() + ":config_yaml", *yaml, overrides, [&config](Fields& f) { config.fields(f); });
  if (std::ranges::find(overrides, config.system.data_path_key, &Override::key) == overrides.end())
    find_data(config, run);
  return config;
}

LoadedRun load_run(const RunReader& run, SystemTable systems, std::optional<std::int64_t> step,
                   const std::vector<Override>& overrides) {
  LoadedRun loaded{build_experiment(config_of_run(run, systems, overrides)), 0};
  loaded.step = load_weights(run, step, *loaded.experiment);
  return loaded;
}

}  // namespace saltus
