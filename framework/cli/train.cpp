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
  std::string resume_folder;
  bool overwrite = false;
};

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// Makes way for a run in `folder`. Unless told to overwrite, refuses a folder that holds one already; removes a run's own files only.
void make_way(const std::string& folder, bool overwrite) {
  std::error_code ignored;  // what cannot be looked at or removed will be reported when the run is made
  for (const char* name : {"run.h5", "journal.bin"}) {
    const std::filesystem::path file = std::filesystem::path(folder) / name;
    check_input(overwrite || !std::filesystem::exists(file, ignored),
                "{0} holds a run already ({1}): --resume {0} goes on with it, --overwrite replaces it, --out names another folder", folder, name);
  }
  for (const char* name : {"run.h5", "journal.bin", "state.bin"}) std::filesystem::remove(std::filesystem::path(folder) / name, ignored);
}

void print_report(const Arguments& a, const RunReport& report) {
  fmt::print("{} after {} steps in {:.1f} s: {}\n", report.interrupted ? "interrupted" : "done", report.steps, report.seconds, report.stop_reason);
  const std::string& folder = a.run.folder;
  if (report.interrupted) {
    fmt::print("go on with: saltus train --resume {}\n", folder);
    return;
  }
  for (const Jump& jump : report.jumps) {
    fmt::print("jump: {} went from {:.2f} to {:.2f} around step {:.0f}, 10% to 90% of it within {:.0f} steps\n", report.jump_measure, jump.before,
               jump.after, jump.step, jump.width());
  }
  fmt::print("\nresults: {0}/run.h5 (docs/run_file.md says what is in it), {0}/config.yaml\n\nnext:\n", folder);
  fmt::print("  scripts/plot_run.py {}\n      draws losses, measures and attention before, during and after the jump\n", folder);
  fmt::print("  /usr/bin/python3 -c \"import xarray; print(xarray.open_dataset('{}/run.h5', engine='h5netcdf', group='progress'))\"\n"
             "      opens the progress measures (Debian: python3-xarray python3-h5netcdf); other groups: train, eval, events, weights, attention\n", folder);
  fmt::print("  scripts/saltus train {} seed=1\n      trains it again from another seed\n", a.config.path);
}

int start(Arguments& a, const CLI::App& verb) {
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

int resume(Arguments& a, const CLI::App& verb) {
  a.run.folder = a.resume_folder;
  a.run.resume = true;
  a.config.path = a.run.folder + "/config.yaml";
  check_input(std::filesystem::exists(a.config.path), "{} holds no run: there is no {}", a.run.folder, a.config.path);
  const std::string status = run_status(a.run.folder);
  if (status == "done" || status == "diverged") {
    fmt::print("{} is {} already: there is nothing to go on with\n", a.run.folder, status);
    return static_cast<int>(status == "done" ? ExitCode::ok : ExitCode::diverged);
  }
  const TrainConfig config = a.config.read(verb);
  fmt::print("going on with {}\n", a.run.folder);
  std::fflush(stdout);
  const RunReport report = train(config, a.run);
  print_report(a, report);
  return static_cast<int>(report.interrupted ? ExitCode::interrupted : ExitCode::ok);
}

}  // namespace

Action add_train(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("train", "train one config into one run folder, or go on with an interrupted run");
  CLI::Option* config = a->config.add_to(*verb);
  CLI::Option* out = verb->add_option("--out", a->run.folder, "run folder; default: runs/<config's name>-<hash of the resolved config>");
  CLI::Option* resumed = verb->add_option("--resume", a->resume_folder, "go on with the run in this folder, to the bytes of one never stopped");
  verb->add_option("--threads", a->run.threads, "threads; any number gives the same bytes. Default: one a core, at most one a shard")
      ->check(CLI::Range(1, 1024));
  verb->add_flag("--overwrite", a->overwrite, "replace the run that the folder holds")->excludes(resumed);
  verb->add_flag("--force", a->run.force, "resume even under another config or program, and record it")->needs(resumed);
  verb->add_flag("--quiet", a->run.quiet, "no progress line");
  resumed->excludes(out);
  return [a, verb, config, resumed] {
    const bool going_on = resumed->count() > 0;
    if (going_on && config->count() > 0) a->config.overrides.push_back(a->config.path);
    return going_on ? resume(*a, *verb) : start(*a, *verb);
  };
}

}  // namespace saltus::cli
