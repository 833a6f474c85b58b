#include <fmt/format.h>

#include <memory>
#include <thread>

#include "cli/sweep_collect.h"
#include "cli/sweep_slurm.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "experiments/registry.h"
#include "sweep/local_run.h"
#include "sweep/status.h"
#include "sweep/sweep_training.h"
#include "sweep/worker.h"

namespace saltus::cli {
namespace {

/// The config file of a sweep, what the command line says on top of it, and where the sweep goes.
struct SpecArguments {
  std::string path;
  std::string folder;

  void add_to(CLI::App& verb) {
    verb.add_option("config", path, "YAML file with a section `sweep:`")->required();
    verb.add_option("--out", folder, "the sweep's folder; default: sweeps/<config's name>");
    verb.allow_extras();
    verb.footer(fmt::format(R"(The section `sweep:` of the file names keys of the config and the values they take:
  sweep:
    model.n_heads: [1, 2, 4]           a list
    optimizer.learning_rate: log(1e-4,1e-1,7)   7 numbers, each the same factor after the one before
    task.burstiness: range(1,9,2)      1, 3, 5, 7, as in Python
    seed: 0..9                         all integers from 0 to 9
    zip: {{steps: [100, 200], eval.every: [10, 20]}}   keys that move together
Several keys span a grid, the last one varying fastest.
On the command line KEY=0..9, KEY=1,2,4, KEY=range(..) and KEY=log(..) sweep a key, too; any other KEY=value, [lists] and "quoted texts"
included, sets it for all jobs. sweep.KEY=[[1,2],[3,4]] is what the file's section would say: this sweeps a key that is itself a list.
  saltus sweep {} configs/icl_classification/seeds.yaml seed=0..15 model.n_heads=1,2)",
                            verb.get_name()));
  }

  /// Expands, checks and freezes the sweep, or finds that it is there already, and says so.
  Sweep create(const CLI::App& verb) {
    const Manifest manifest = make_manifest(systems(), path, verb.remaining());
    if (folder.empty()) folder = default_sweep_folder(path);
    const Created created = create_sweep(folder, manifest);
    Sweep sweep(folder);
    switch (created) {
      case Created::anew:
        fmt::print("created {}", folder);
        break;
      case Created::same:
        fmt::print("{} holds this sweep already", folder);
        break;
      case Created::same_by_another_program:
        fmt::print("{} holds this sweep already, created by another build; its open jobs are this one's now", folder);
        break;
      case Created::replaced:
        fmt::print("{} held another sweep, which this one replaces; runs that both share count", folder);
        break;
    }
    fmt::print(": {}\n", look_at(sweep).line());
    std::fflush(stdout);
    return sweep;
  }
};

void add_folder(CLI::App& verb, std::string& folder) {
  verb.add_option("folder", folder, "the sweep's folder")->required();
}

void add_lease_seconds(CLI::App& verb, double& seconds) {
  verb.add_option("--lease-seconds", seconds,
                  "a worker on another host that is silent for so long is taken for dead, and its job taken over")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
}

/// Whether to stop; the option's words are checked by the parser.
void add_on_error(CLI::App& verb, bool& stop) {
  verb.add_option_function<std::string>(
          "--on-error", [&stop](const std::string& word) { stop = word == "stop"; },
          "continue (default), or stop: begin no further job once one has failed or diverged")
      ->check(CLI::IsMember({"continue", "stop"}));
}

Action add_create(CLI::App& sweep) {
  auto a = std::make_shared<SpecArguments>();
  CLI::App* verb = sweep.add_subcommand("create", "expand a sweep, check every job of it and write its manifest");
  a->add_to(*verb);
  return [a, verb] {
    a->create(*verb);
    fmt::print("train its jobs with: {} sweep work {} --workers N   (N times, at once, here or on several hosts)\n", command(),
               a->folder);
    return static_cast<int>(ExitCode::ok);
  };
}

Action add_work(CLI::App& sweep) {
  struct Arguments {
    std::string folder;
    WorkerOptions options;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb =
      sweep.add_subcommand("work", "train jobs of a sweep, one or several small ones at a time, until only those of other workers are left");
  add_folder(*verb, a->folder);
  verb->add_option("--threads", a->options.threads, "threads of a training, or of those trained at once; any number gives the same bytes")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  add_lease_seconds(*verb, a->options.lease_seconds);
  add_on_error(*verb, a->options.stop_on_error);
  verb->add_option("--max-jobs", a->options.max_jobs, "train so many at most")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  verb->add_option("--workers", a->options.workers,
                   "how many work on this sweep, this one included: small jobs that are alike are trained several at once, "
                   "but no more than a worker's share")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_flag("--stay", a->options.stay,
                 "wait while other workers are at work, to take over their jobs should they die");
  verb->add_flag("--quiet", a->options.quiet, "no line for each job");
  verb->footer(
      "  saltus sweep work sweeps/seeds --threads 2\n\n"
      "Exit codes: 0, 1 (a job failed or diverged), 2 (bad input), 75 (stopped by a signal; what it was at is "
      "saved).");
  return [a] {
    Sweep opened(a->folder);
    return static_cast<int>(work(opened, a->options));
  };
}

/// What a worker starts for jobs that it trains together; not for people.
Action add_train_jobs(CLI::App& sweep) {
  struct Arguments {
    std::string folder;
    std::vector<std::string> ids;
    int threads = 1;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = sweep.add_subcommand("train", "train some jobs together, in one process");
  verb->group("");
  add_folder(*verb, a->folder);
  verb->add_option("jobs", a->ids, "their ids")->required();
  verb->add_option("--threads", a->threads)->check(CLI::Range(1, 1024));
  return [a] { return static_cast<int>(train_jobs(Sweep(a->folder), a->ids, systems(), a->threads)); };
}

Action add_status(CLI::App& sweep) {
  struct Arguments {
    std::string folder;
    bool json = false, watch = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = sweep.add_subcommand("status", "how many jobs are done, running, failed; which fail, and why");
  add_folder(*verb, a->folder);
  CLI::Option* json = verb->add_flag("--json", a->json, "all of it, job by job, as JSON");
  verb->add_flag("--watch", a->watch, "go on showing it until no job is left")->excludes(json);
  verb->footer("  saltus sweep status sweeps/seeds --watch");
  return [a] {
    Sweep opened(a->folder);
    if (a->watch) {
      StatusDisplay display(stdout, opened);
      while (!display.update()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
      display.finish();
    }
    const SweepStatus status = look_at(opened);
    if (!a->watch) fmt::print("{}", a->json ? status.json() : status.text());
    if (!a->json) fmt::print("{}", slurm_line(a->folder));
    return static_cast<int>(ExitCode::ok);
  };
}

Action add_retry(CLI::App& sweep) {
  struct Arguments {
    std::string folder;
    bool failed = false, diverged = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = sweep.add_subcommand("retry", "make failed jobs open again; the next worker takes them");
  add_folder(*verb, a->folder);
  verb->add_flag("--failed", a->failed, "those that failed: what is done without any flag");
  verb->add_flag("--diverged", a->diverged, "also those that diverged; their runs are removed");
  verb->footer("  saltus sweep retry sweeps/seeds && saltus sweep work sweeps/seeds");
  return [a] {
    Sweep opened(a->folder);
    std::int64_t n = 0;
    for (const SweepJob& job : opened.jobs()) n += opened.retry(job, a->diverged) ? 1 : 0;
    fmt::print("{} job{} open again\n", n, n == 1 ? " is" : "s are");
    return static_cast<int>(ExitCode::ok);
  };
}

int run(SpecArguments& spec, const LocalRunOptions& options, const CLI::App& verb) {
  Sweep sweep = spec.create(verb);
  const ExitCode code = run_workers(sweep, options);
  const SweepStatus status = look_at(sweep);
  fmt::print("{}", status.text());
  if (code == ExitCode::interrupted)
    fmt::print("stopped; the same command goes on, without losing or repeating anything\n");
  if (status.count(JobState::failed) > 0)
    fmt::print("`{} sweep retry {}` makes failed jobs open again\n", command(), spec.folder);
  if (code != ExitCode::interrupted) print(collect(sweep, default_sweep_file(spec.folder)));
  return static_cast<int>(code);
}

Action add_run(CLI::App& sweep) {
  struct Arguments {
    SpecArguments spec;
    LocalRunOptions options;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb =
      sweep.add_subcommand("run", "create a sweep, or go on with it, and train all its jobs on this machine");
  a->spec.add_to(*verb);
  verb->add_option("--workers", a->options.workers, "workers, one thread each; default: one a core")
      ->check(CLI::Range(1, 4096));
  add_lease_seconds(*verb, a->options.lease_seconds);
  add_on_error(*verb, a->options.stop_on_error);
  verb->add_flag("--quiet", a->options.quiet, "no status line");
  return [a, verb] { return run(a->spec, a->options, *verb); };
}

}  // namespace

Action add_sweep(CLI::App& app) {
  CLI::App* sweep = app.add_subcommand(
      "sweep", "many runs from one config: create, work, status, retry, run, collect, submit, cancel");
  sweep->require_subcommand(1);
  sweep->footer("  saltus sweep run configs/icl_classification/seeds.yaml");
  using Verb = std::pair<const CLI::App*, Action>;
  auto verbs = std::make_shared<std::vector<Verb>>();
  const auto add = [&](Action (*make)(CLI::App&)) {
    Action action = make(*sweep);
    verbs->emplace_back(sweep->get_subcommands([](CLI::App*) { return true; }).back(), std::move(action));
  };
  for (auto make : {add_create, add_work, add_train_jobs, add_status, add_retry, add_run}) add(make);
  add(add_collect);
  add(add_submit);
  add(add_cancel);
  return [verbs] {
    for (const auto& [verb, action] : *verbs) {
      if (verb->parsed()) return action();
    }
    return static_cast<int>(ExitCode::bad_input);
  };
}

}  // namespace saltus::cli
