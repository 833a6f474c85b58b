#include "config/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "cli/verbs.h"
#include "core/check.h"
#include "experiments/registry.h"

namespace saltus::cli {
namespace {

void print_page(const std::function<void(Fields&)>& list, bool markdown) {
  fmt::print("{}", markdown ? describe_markdown(list) : describe_text(list));
}

void print_names() {
  fmt::print("systems, for `saltus train`:\n");
  for (const SystemEntry& entry : systems()) fmt::print("  {:<30} {}\n", entry.name, entry.doc);
  fmt::print("\nstudies, for `saltus study`:\n");
  for (const StudyEntry& entry : studies()) fmt::print("  {:<30} {}\n", entry.name, entry.doc);
  fmt::print("\n`saltus describe <name>` lists every key of its configs.\n");
}

int describe(const std::string& name, bool markdown) {
  std::vector<std::string> names;
  for (const SystemEntry& entry : systems()) {
    names.emplace_back(entry.name);
    if (name != entry.name) continue;
    TrainConfig config(systems());
    config.system_name = name;
    print_page([&config](Fields& f) { config.fields(f); }, markdown);
    return 0;
  }
  for (const StudyEntry& entry : studies()) {
    names.emplace_back(entry.name);
    if (name != entry.name) continue;
    StudyConfig config(studies());
    config.study_name = name;
    print_page([&config](Fields& f) { config.fields(f); }, markdown);
    return 0;
  }
  check_input(name.empty(), "there is no system or study '{}'; there is: {}", name, fmt::join(names, ", "));
  print_names();
  return 0;
}

}  // namespace

Action add_describe(CLI::App& app) {
  struct Arguments {
    std::string system;
    bool markdown = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb =
      app.add_subcommand("describe", "list every config key of a system or a study, with type, default and meaning");
  verb->add_option("system", a->system, "name of a system or a study; none: list them");
  verb->add_flag("--markdown", a->markdown, "as Markdown tables");
  verb->footer("  saltus describe icl_classification");
  return [a] { return describe(a->system, a->markdown); };
}

}  // namespace saltus::cli
