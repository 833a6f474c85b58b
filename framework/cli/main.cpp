#include <fmt/format.h>

#include "cli/verbs.h"
#include "core/check.h"

int main(int argc, char** argv) {
  using namespace saltus;
  CLI::App app("saltus trains minimal attention models from YAML and logs how they learn", "saltus");
  app.require_subcommand(1);
  app.set_version_flag("--version", SALTUS_VERSION);
  app.footer("For example:\n  saltus train configs/icl_classification/abrupt.yaml\n\n`saltus VERB --help` says more about each.");
  std::vector<std::pair<const CLI::App*, cli::Action>> verbs;
  for (auto add : {cli::add_train, cli::add_show, cli::add_ls, cli::add_eval, cli::add_predict, cli::add_study, cli::add_sweep, cli::add_data, cli::add_plan, cli::add_describe, cli::add_bench,
                   cli::add_completion}) {
    cli::Action action = add(app);
    verbs.emplace_back(app.get_subcommands([](CLI::App*) { return true; }).back(), std::move(action));
  }
  try {
    app.parse(argc, argv);
    for (const auto& [verb, action] : verbs) {
      if (verb->parsed()) return action();
    }
  } catch (const CLI::ParseError& e) {
    const int code = app.exit(e);  // prints help or the error
    return code == 0 ? 0 : static_cast<int>(ExitCode::bad_input);
  } catch (const Error& e) {
    std::fflush(stdout);
    fmt::print(stderr, "{}\n", e.what());
    return static_cast<int>(e.code());
  } catch (const std::exception& e) {
    fmt::print(stderr, "error: {}\n", e.what());
    return static_cast<int>(ExitCode::failed);
  }
  return 0;
}
