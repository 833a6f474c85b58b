#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "cli/verbs.h"
#include "core/check.h"
#include "train/recorder.h"
#include "train/trainer.h"

namespace saltus::cli {
namespace {

struct Arguments {
  ConfigArguments config;
  RunOptions run;
  bool overwrite = false;
};

/// Makes way for a run in `folder`. Unless told to overwrite, refuses a folder that holds one already; removes a run's own files only.
void make_way(const std::string& folder, bool overwrite) {
  for (const char* name : {"config.yaml", "run.h5", "journal.bin"}) {
    const std::filesystem::path file = std::filesystem::path(folder) / name;
    std::error_code ignored;  // what cannot be looked at or removed will be reported when the run is made
    check_input(overwrite || !std::filesystem::exists(file, ignored), "{} holds a run already ({}): give --out another folder, or --overwrite to replace it", folder, name);
    std::filesystem::remove(file, ignored);
  }
}

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void print_report(const Arguments& a, const RunReport& report) {
  fmt::print("{} after {} steps in {:.1f} s: {}\n", report.interrupted ? "interrupted" : "done", report.steps, report.seconds, report.stop_reason);
  if (report.jump_step >= 0) fmt::print("{} passed 1/2 at step {:.0f}\n", report.jump_measure, report.jump_step);
  const std::string& folder = a.run.folder;
  fmt::print("\nresults: {0}/run.h5 (docs/run_file.md says what is in it), {0}/config.yaml\n\nnext:\n", folder);
  fmt::print("  scripts/plot_run.py {}\n      draws losses, measures and attention before, during and after the jump\n", folder);
  fmt::print("  python3 -c \"import xarray; print(xarray.open_dataset('{}/run.h5', engine='h5netcdf', group='progress'))\"\n"
             "      opens the progress measures; other groups: train, eval, weights, attention\n", folder);
  fmt::print("  scripts/saltus train {} seed=1\n      trains it again from another seed\n", a.config.path);
}

int train_verb(Arguments& a, const CLI::App& verb) {
  const TrainConfig config = a.config.read(verb);
  if (a.run.folder.empty()) a.run.folder = default_folder(a.config.path, config);
  make_way(a.run.folder, a.overwrite);
  a.run.provenance = {{"config_source_yaml", text_of(a.config.path)}, {"overrides", fmt::format("{}", fmt::join(a.config.overrides, " "))}};
  fmt::print("training {} into {}\n", a.config.path, a.run.folder);
  std::fflush(stdout);
  const RunReport report = train(config, a.run);
  print_report(a, report);
  return static_cast<int>(report.interrupted ? ExitCode::interrupted : ExitCode::ok);
}

}  // namespace

Action add_train(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("train", "train one config into one run folder");
  a->config.add_to(*verb);
  verb->add_option("--out", a->run.folder, "run folder; default: runs/<config's name>-<hash of the resolved config>");
  verb->add_option("--threads", a->run.threads, "threads; any number gives the same bytes. Default: one a core, at most one a shard")
      ->check(CLI::Range(1, 1024));
  verb->add_flag("--overwrite", a->overwrite, "replace the run that the folder holds");
  verb->add_flag("--quiet", a->run.quiet, "no progress line");
  return [a, verb] { return train_verb(*a, *verb); };
}

}  // namespace saltus::cli
