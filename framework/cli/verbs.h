#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "train/config.h"

/// The command line: one file a verb. Each adds its subcommand to the parser and returns what it does when chosen.
namespace saltus::cli {

using Action = std::function<int()>;
Action add_train(CLI::App& app);
Action add_plan(CLI::App& app);
Action add_describe(CLI::App& app);
Action add_bench(CLI::App& app);
Action add_show(CLI::App& app);
Action add_ls(CLI::App& app);
Action add_eval(CLI::App& app);
Action add_predict(CLI::App& app);
Action add_study(CLI::App& app);
Action add_data(CLI::App& app);
Action add_completion(CLI::App& app);
Action add_sweep(CLI::App& app);
/// Of `sweep`, in files of their own.
Action add_collect(CLI::App& sweep);
Action add_submit(CLI::App& sweep);
Action add_cancel(CLI::App& sweep);

/// How the user calls this program: scripts/saltus says so, since the program itself is not on anybody's PATH.
std::string command();

/// How the user calls one of the scripts beside it.
std::string script(const std::string& name);

/// A text's lines, each two spaces in.
std::string indented(const std::string& text);

/// Refuses, as bad input and naming the verb that takes it, a config file with the top-level key `key`.
void refuse_other_kind(const std::string& path, const std::string& key, const std::string& verb);

/// A config file and what the command line says on top of it.
struct ConfigArguments {
  std::string path;
  std::vector<std::string> overrides;

  /// Adds the positional argument and takes all unknown arguments as overrides.
  CLI::Option* add_to(CLI::App& verb);
  /// Reads and checks it all; throws Error (bad_input) naming the place.
  TrainConfig read(const CLI::App& verb);
};

}  // namespace saltus::cli
