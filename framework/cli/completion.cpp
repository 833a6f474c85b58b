#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "cli/verbs.h"
#include "data/text/fetch.h"
#include "experiments/registry.h"

namespace saltus::cli {
namespace {

/// The keys of a list as a config file nests them, each with the words that it may take.
class Keys final : public Fields {
 public:
  explicit Keys(std::string prefix = "") : prefix_(std::move(prefix)) {}

  using Fields::section;
  void section(const char* key, const char*, const std::function<void(Fields&)>& list) override {
    Keys inner(prefix_ + key + ".");
    list(inner);
    names.insert(names.end(), inner.names.begin(), inner.names.end());
    words.insert(words.end(), inner.words.begin(), inner.words.end());
  }
  void optional_section(const char* key, bool&, const char* doc, const std::function<void(Fields&)>& list) override {
    section(key, doc, list);
  }
  void require(bool, const char*, const std::string&) override {}

  std::vector<std::string> names;
  std::vector<std::pair<std::string, std::vector<std::string>>> words;  // of keys that take one of a few

 protected:
  void visit(const Field& field) override {
    names.push_back(prefix_ + field.key);
    if (!field.options.empty()) words.emplace_back(names.back(), field.options);
    if (std::holds_alternative<bool*>(field.value))
      words.emplace_back(names.back(), std::vector<std::string>{"false", "true"});
  }

 private:
  std::string prefix_;
};

/// Of all systems and studies together: the config that the keys are for may not be on the command line yet.
Keys all_keys() {
  Keys all;
  for (const SystemEntry& entry : systems()) {
    TrainConfig config(systems());
    config.system_name = entry.name;
    config.fields(all);
  }
  for (const StudyEntry& entry : studies()) {
    StudyConfig config(studies());
    config.study_name = entry.name;
    config.fields(all);
  }
  std::sort(all.names.begin(), all.names.end());
  all.names.erase(std::unique(all.names.begin(), all.names.end()), all.names.end());
  std::sort(all.words.begin(), all.words.end());
  all.words.erase(std::unique(all.words.begin(), all.words.end()), all.words.end());
  return all;
}

/// One line of the script's table: "'train') options='--out --resume' takes=config".
struct Verb {
  std::string path;  // "train", "sweep work"
  std::vector<std::string> subverbs, options;
  std::string positional;  // name of the first one
};

/// Options, of `verb` and of all verbs below it.
void collect_verbs(const CLI::App& verb, const std::string& path, std::vector<Verb>& out) {
  const auto any = [](const auto*) { return true; };
  Verb entry{path, {}, {}, ""};
  for (const CLI::Option* option : verb.get_options()) {
    for (const std::string& name : option->get_lnames()) entry.options.push_back("--" + name);
    if (option->get_positional() && entry.positional.empty()) entry.positional = option->get_name(true);
  }
  for (const CLI::App* inner : verb.get_subcommands(any)) entry.subverbs.push_back(inner->get_name());
  out.push_back(entry);
  for (const CLI::App* inner : verb.get_subcommands(any))
    collect_verbs(*inner, path.empty() ? inner->get_name() : path + " " + inner->get_name(), out);
}

constexpr const char* kFunction = R"bash(
# Words of $1 that begin with what is being typed; $2 goes behind each.
_saltus_words() {
  local typed="$3"
  mapfile -t COMPREPLY < <(compgen -W "$1" -S "$2" -- "$typed")
  [[ $2 != = ]] || compopt -o nospace 2>/dev/null
}

# Folders, and files whose name fits the pattern $1.
_saltus_files() {
  mapfile -t COMPREPLY < <({ compgen -f -X "!$1" -- "$2"; compgen -d -- "$2"; } | sort -u)
  compopt -o filenames 2>/dev/null
}

_saltus() {
  local typed="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" word verb="" subverbs options positional key=""
  COMPREPLY=()
  # bash cuts words at "=": key = value, or key = when nothing of the value is there yet.
  if [[ $typed == = ]]; then key="$before" typed=""
  elif [[ $before == = && COMP_CWORD -ge 2 ]]; then key="${COMP_WORDS[COMP_CWORD-2]}"
  fi
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    _saltus_verb "$verb"
    [[ " $subverbs " == *" $word "* ]] && verb="${verb:+$verb }$word"
  done
  _saltus_verb "$verb"
  if [[ -n $key ]]; then _saltus_words "$(_saltus_values "${key#--}")" "" "$typed"
  elif [[ $before == --out || $before == --resume ]]; then _saltus_files "" "$typed"
  elif [[ $before == --file ]]; then _saltus_files "*" "$typed"
  elif [[ $typed == -* ]]; then _saltus_words "$options" "" "$typed"
  elif [[ -n $subverbs ]]; then _saltus_words "$subverbs" "" "$typed"
  elif [[ $positional == config && ${#COMP_WORDS[@]} -gt 3 && $typed != */* ]]; then
    _saltus_words "$_saltus_keys" = "$typed"
    [[ ${#COMPREPLY[@]} -gt 0 ]] || _saltus_files "*.@(yaml|yml)" "$typed"
  elif [[ $positional == config ]]; then _saltus_files "*.@(yaml|yml)" "$typed"
  elif [[ $positional == system ]]; then _saltus_words "$_saltus_systems" "" "$typed"
  elif [[ $positional == corpus ]]; then
    _saltus_words "$_saltus_corpora" "" "$typed"
    [[ ${#COMPREPLY[@]} -gt 0 ]] || _saltus_files "*.@(tsv|csv)" "$typed"
  elif [[ $positional == shell ]]; then _saltus_words bash "" "$typed"
  else _saltus_files "*.h5" "$typed"
  fi
}

complete -F _saltus saltus
)bash";

int print_bash(const CLI::App& app) {
  std::vector<Verb> verbs;
  collect_verbs(app, "", verbs);
  const Keys keys = all_keys();
  fmt::print(
      "# Completion of saltus for bash. To have it in every shell, put into ~/.bashrc:  source <(saltus completion "
      "bash)\n");
  fmt::print("shopt -s extglob\n_saltus_keys=\"{}\"\n", fmt::join(keys.names, " "));
  std::vector<std::string> names;
  for (const SystemEntry& entry : systems()) names.emplace_back(entry.name);
  for (const StudyEntry& entry : studies()) names.emplace_back(entry.name);
  fmt::print("_saltus_corpora=\"{}\"\n", fmt::join(corpus_names(), " "));
  fmt::print("_saltus_systems=\"{}\"\n\n# What may follow a verb.\n_saltus_verb() {{\n  case \"$1\" in\n",
             fmt::join(names, " "));
  for (const Verb& verb : verbs) {
    fmt::print("    \"{}\") subverbs=\"{}\" options=\"{}\" positional=\"{}\" ;;\n", verb.path,
               fmt::join(verb.subverbs, " "), fmt::join(verb.options, " "), verb.positional);
  }
  fmt::print(
      "  esac\n}}\n\n# The words that a key may take, where they are few.\n_saltus_values() {{\n  case \"$1\" in\n");
  for (const auto& [key, words] : keys.words) fmt::print("    \"{}\") echo \"{}\" ;;\n", key, fmt::join(words, " "));
  fmt::print("  esac\n}}\n{}", kFunction);
  return 0;
}

}  // namespace

Action add_completion(CLI::App& app) {
  auto shell = std::make_shared<std::string>();
  CLI::App* verb = app.add_subcommand("completion",
                                      "print a script that completes verbs, options, files and config keys in a shell");
  verb->add_option("shell", *shell, "bash")->required()->check(CLI::IsMember({"bash"}));
  verb->footer("For example, in ~/.bashrc:\n  source <(saltus completion bash)");
  return [shell, verb] { return print_bash(*verb->get_parent()); };
}

}  // namespace saltus::cli
