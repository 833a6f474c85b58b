#include "study/study.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>

#include "cli/verbs.h"
#include "config/reader.h"
#include "core/check.h"
#include "experiments/registry.h"
#include "train/provenance.h"
#include "train/run_h5.h"

namespace saltus::cli {
namespace {

struct Arguments {
  std::string config, out;
  int threads = 0;
  bool overwrite = false;
};

int study(Arguments& a, const CLI::App& verb) {
  refuse_other_kind(a.config, "system", "train");
  StudyConfig config(studies());
  const std::vector<std::string> overrides = verb.remaining();
  read_config(a.config, parse_overrides(overrides), [&config](Fields& f) { config.fields(f); });
  if (a.out.empty()) {
    a.out = fmt::format("studies/{}-{}.h5", std::filesystem::path(a.config).stem().string(),
                        text_sha256(resolved_yaml(config)).substr(0, 8));
  }
  check_result_path(a.out, a.overwrite);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));

  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [start] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const bool live = isatty(STDERR_FILENO) != 0;
  double shown = 0;
  const auto progress = [&](double done) {
    if (seconds() < shown + (live ? 0.1 : 10)) return;
    shown = seconds();
    fmt::print(stderr, "{}{}: {:3.0f}%  {:.0f} s{}", live ? "\r" : "", config.study_name, 100 * done, shown,
               live ? "\x1b[K" : "\n");
    std::fflush(stderr);
  };
  const std::vector<std::string> lines = run_study(config, a.out, a.threads > 0 ? a.threads : cores, progress);
  if (live && shown > 0) fmt::print(stderr, "\r\x1b[K");
  for (const std::string& line : lines) fmt::print("{}\n", line);
  fmt::print("\ndone in {:.1f} s; results: {}\nnext: {} {}\n      draws them\n", seconds(), a.out,
             script("plot_study.py"), a.out);
  return 0;
}

}  // namespace

Action add_study(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand(
      "study", "compute what is not a training run: a flow, a loss surface, a comparison of estimators");
  verb->add_option("config", a->config, "YAML file that names a `study`: see `saltus describe` for its keys")
      ->required();
  verb->add_option("--out", a->out, "result file. Default: studies/<config's name>-<hash of the resolved config>.h5");
  verb->add_option("--threads", a->threads, "threads; any number gives the same numbers. Default: one a core")
      ->check(CLI::Range(1, 1024));
  verb->add_flag("--overwrite", a->overwrite, "replace the result file if there is one");
  verb->allow_extras();
  verb->footer(
      "Any key can be set on the command line, as in settings.n_heads=4. For example:\n  saltus study "
      "configs/icl_regression/flow.yaml");
  return [a, verb] { return study(*a, *verb); };
}

}  // namespace saltus::cli
