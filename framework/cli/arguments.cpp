#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/verbs.h"
#include "config/reader.h"
#include "core/check.h"
#include "experiments/registry.h"

namespace saltus::cli {

std::string command() {
  const char* given = std::getenv("SALTUS_COMMAND");
  return given ? given : "saltus";
}

std::string script(const std::string& name) {
  const std::filesystem::path folder = std::filesystem::path(command()).parent_path();
  return (folder.empty() ? std::filesystem::path("scripts") / name : folder / name).string();
}

std::string indented(const std::string& text) {
  std::string out = "  ";
  for (const char c : text) out += c == '\n' ? "\n  " : std::string(1, c);
  return out;
}

void refuse_other_kind(const std::string& path, const std::string& key, const std::string& verb) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    check_input(!line.starts_with(key + ":"), "{} names a `{}`: it is for {} {}", path, key, command(), verb);
  }
}

CLI::Option* ConfigArguments::add_to(CLI::App& verb) {
  CLI::Option* config = verb.add_option("config", path, "YAML file: see `saltus describe` for its keys");
  verb.allow_extras();
  verb.footer(
      "Any key of the config can be set on the command line, as path.to.key=value, --path.to.key=value or "
      "--path.to.key value:\n"
      "  saltus " +
      verb.get_name() + " configs/icl_classification/abrupt.yaml seed=1 model.n_heads=2");
  return config;
}

TrainConfig ConfigArguments::read(const CLI::App& verb) {
  check_input(!path.empty(), "which config? For example: saltus {} configs/icl_classification/abrupt.yaml",
              verb.get_name());
  refuse_other_kind(path, "study", "study");
  for (const std::string& argument : verb.remaining()) overrides.push_back(argument);
  TrainConfig config(systems());
  read_config(path, parse_overrides(overrides), [&config](Fields& f) { config.fields(f); });
  return config;
}

}  // namespace saltus::cli
