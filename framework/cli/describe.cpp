#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/verbs.h"
#include "config/describe.h"
#include "core/check.h"
#include "experiments/registry.h"

namespace saltus::cli {
namespace {

int describe(const std::string& system, bool markdown) {
  if (system.empty()) {
    fmt::print("systems:\n");
    for (const SystemEntry& entry : systems()) fmt::print("  {:<22} {}\n", entry.name, entry.doc);
    fmt::print("\n`saltus describe <system>` lists every key of its configs.\n");
    return 0;
  }
  std::vector<std::string> names;
  for (const SystemEntry& entry : systems()) names.emplace_back(entry.name);
  check_input(std::find(names.begin(), names.end(), system) != names.end(), "there is no system '{}'; there is: {}", system,
              fmt::join(names, ", "));
  TrainConfig config(systems());
  config.system_name = system;
  const auto list = [&config](Fields& f) { config.fields(f); };
  fmt::print("{}", markdown ? describe_markdown(list) : describe_text(list));
  return 0;
}

}  // namespace

Action add_describe(CLI::App& app) {
  struct Arguments {
    std::string system;
    bool markdown = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand("describe", "list every config key of a system, with type, default and meaning");
  verb->add_option("system", a->system, "system's name; none: list the systems");
  verb->add_flag("--markdown", a->markdown, "as Markdown tables");
  verb->footer("  saltus describe icl_classification");
  return [a] { return describe(a->system, a->markdown); };
}

}  // namespace saltus::cli
