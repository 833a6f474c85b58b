#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "cli/verbs.h"
#include "core/check.h"
#include "train/load_run.h"
#include "train/recorder.h"
#include "train/resume.h"
#include "train/run_summary.h"
#include "train/trainer.h"

namespace saltus::cli {
namespace {

struct Arguments {
  ConfigArguments config;
  RunOptions run;
  std::string resume_folder;
};

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void print_report(const std::string& folder, std::int64_t seed, const RunReport& report) {
  fmt::print("{} after {} steps in {:.1f} s: {}\n", report.interrupted ? "interrupted" : "done", report.steps, report.seconds, report.stop_reason);
  if (report.interrupted) {
    fmt::print("go on with: {} train --resume {}\n", command(), folder);
    return;
  }
  for (const Jump& jump : report.jumps) {
    fmt::print("jump: {} went from {:.2f} to {:.2f} around step {:.0f}, 10% to 90% of it within {:.0f} steps\n", report.jump_measure, jump.before,
               jump.after, jump.step, jump.width());
  }
  fmt::print("\nresults: {0}/run.h5 (docs/run_file.md says what is in it), {0}/config.yaml\n\nnext:\n", folder);
  fmt::print("  {} {}\n      draws losses, measures and attention{}\n", script("plot_run.py"), folder,
             report.jumps.empty() ? "" : " before, during and after the jump");
  fmt::print("  /usr/bin/python3 -c \"import xarray; print(xarray.open_dataset('{}/run.h5', engine='h5netcdf', group='progress'))\"\n"
             "      opens the progress measures (Debian: python3-xarray python3-h5netcdf); other groups: train, eval, events, weights, attention\n", folder);
  fmt::print("  {} train {}/config.yaml seed={}\n      trains it again from another seed\n", command(), folder, seed + 1);
}

/// The first lines of a run: what it is, and what its system has to say of the data.
void announce(const std::string& what, const Experiment& experiment) {
  fmt::print("{}\n", what);
  for (const Attribute& note : experiment.notes) {
    if (note.name == "data_summary") fmt::print("{}\n", indented(std::get<std::string>(note.value)));
  }
  std::fflush(stdout);
}

int run(const TrainConfig& config, RunOptions& options, const std::string& what) {
  options.on_start = [&what](const Experiment& experiment) { announce(what, experiment); };
  const RunReport report = train(config, options);
  print_report(options.folder, config.seed, report);
  return static_cast<int>(report.interrupted ? ExitCode::interrupted : ExitCode::ok);
}

int start(Arguments& a, const CLI::App& verb) {
  const TrainConfig config = a.config.read(verb);
  if (a.run.folder.empty()) a.run.folder = default_folder(a.config.path, config);
  a.run.origin.config_source_yaml = text_of(a.config.path);
  a.run.origin.overrides = fmt::format("{}", fmt::join(a.config.overrides, " "));
  return run(config, a.run, fmt::format("training {} into {}", a.config.path, a.run.folder));
}

int resume(Arguments& a, const CLI::App& verb) {
  a.run.folder = a.resume_folder;
  a.run.resume = true;
  a.config.path = a.run.folder + "/config.yaml";
  check_input(std::filesystem::exists(a.config.path), "{} holds no run: there is no {}", a.run.folder, a.config.path);
  const std::string status = run_status(a.run.folder);
  if (status == "done" || status == "diverged") {
    clear_finished_run(a.run.folder);
    fmt::print("{} is {} already: there is nothing to go on with\n", a.run.folder, status);
    return static_cast<int>(status == "done" ? ExitCode::ok : ExitCode::diverged);
  }
  TrainConfig config = a.config.read(verb);
  if (status != "none") find_data(config, RunReader(find_run_file(a.run.folder)));
  a.run.origin.config_source_yaml = text_of(a.config.path);
  return run(config, a.run, fmt::format("going on with {}", a.run.folder));
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
  verb->add_flag("--overwrite", a->run.overwrite, "replace the run that the folder holds")->excludes(resumed);
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
