#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "cli/verbs.h"
#include "config/reader.h"
#include "core/check.h"
#include "data/text/encoding.h"
#include "data/text/files.h"
#include "data/text/utf8.h"
#include "experiments/registry.h"
#include "train/load_run.h"
#include "train/run_summary.h"

namespace saltus::cli {
namespace {

using Json = nlohmann::ordered_json;
using Prediction = Experiment::Prediction;

struct Arguments {
  std::string run, file;
  std::optional<std::string> text;
  std::optional<std::int64_t> step;
  int words = 5;
  bool json = false;
};

/// The lines that are not blank. Refuses, with the line, what is not UTF-8, as a corpus' files do.
std::vector<std::string> lines_of(const std::string& name, const std::string& bytes) {
  check_no_zero_bytes(name, bytes);
  std::istringstream in{std::string(without_byte_order_mark(bytes))};
  std::vector<std::string> lines;
  std::int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    check_utf8(fmt::format("{}:{}", name, ++number), "text", line);
    if (line.ends_with('\r')) line.pop_back();
    if (!is_blank(line)) lines.push_back(line);
  }
  return lines;
}

std::string bytes_of(const std::string& file) {
  if (file == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
  std::error_code none;
  check_input(!std::filesystem::is_directory(file, none), "{} is a folder: --file takes a file with a text a line",
              file);
  return read_bytes(file);
}

/// What is asked about: the text of --text, or a text a line of a file or of standard input; empty lines are none.
std::vector<std::string> texts_of(const Arguments& a) {
  const std::string name = a.text ? "--text" : a.file == "-" ? "standard input" : a.file;
  std::vector<std::string> texts = lines_of(name, a.text ? *a.text : bytes_of(a.file));
  check_input(!texts.empty(), "{} has no text in it", name);
  return a.text ? std::vector{*a.text} : texts;
}

std::vector<std::size_t> falling(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) { return values[i] > values[j]; });
  return order;
}

Json json_of(const std::string& text, const Prediction& p, const std::vector<std::string>& classes) {
  Json json = {{"text", text}, {"class", classes[falling(p.probabilities)[0]]}};
  for (std::size_t c = 0; c < classes.size(); ++c) json["probabilities"][classes[c]] = p.probabilities[c];
  json["words_in_text"] = p.words_in_text;
  json["words"] = p.words;
  json["known"] = p.known;
  json["attention"] = p.attention;
  return json;
}

/// The beginning of a long text, up to a space; all of it where there is none.
std::string shortened(const std::string& text) {
  constexpr std::size_t most_bytes = 100;
  const std::size_t end = text.size() > most_bytes ? text.rfind(' ', most_bytes) : std::string::npos;
  return end == std::string::npos ? text : text.substr(0, end) + " ...";
}

/// What of a text the model has not seen: "read the first 256 of 401 words; 2 unknown (*)". "" when it has seen it all.
std::string unread(const Prediction& p) {
  const auto unknown = std::ranges::count(p.known, false), read = std::ssize(p.words);
  if (p.words_in_text == 0) return "there is no word in it: read as one unknown word";
  if (unknown == 0 && read == p.words_in_text) return "";
  std::string told = read == p.words_in_text ? fmt::format("read {} words", read)
                                             : fmt::format("read the first {} of {} words", read, p.words_in_text);
  return unknown > 0 ? told + fmt::format("; {} unknown (*)", unknown) : told;
}

/// The likeliest classes, and of each head the words that it attended most, in units of an even share, 1 / words.
void print_text(const std::string& text, const Prediction& p, const std::vector<std::string>& classes, int n_words) {
  constexpr std::size_t most_classes = 5;
  fmt::print("\n{}\n", shortened(text));
  if (const std::string told = unread(p); !told.empty()) fmt::print("  {}\n", told);
  const std::vector<std::size_t> order = falling(p.probabilities);
  for (std::size_t i = 0; i < std::min(order.size(), most_classes); ++i)
    fmt::print("  {:6.1f}%  {}\n", 100 * p.probabilities[order[i]], classes[order[i]]);
  for (std::size_t head = 0; head < p.attention.size(); ++head) {
    const std::vector<std::size_t> most = falling(p.attention[head]);
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(most.size(), static_cast<std::size_t>(n_words)); ++i) {
      const double times = p.attention[head][most[i]] * static_cast<double>(p.words.size());
      shown.push_back(fmt::format("{}{} ({:.2f})", p.words[most[i]], p.known[most[i]] ? "" : "*", times));
    }
    fmt::print("  head {}  {}\n", head, fmt::join(shown, "  "));
  }
}

int predict(const Arguments& a, const CLI::App& verb) {
  const RunReader run(find_run_file(a.run));
  const std::vector<std::string> texts = texts_of(a);
  const LoadedRun loaded = load_run(run, systems(), a.step, parse_overrides(verb.remaining()));
  const Experiment& e = *loaded.experiment;
  check_input(static_cast<bool>(e.predict), "the model of {} does not read texts", run.path());
  Json all = Json::array();
  if (!a.json) {
    fmt::print("{} at step {}{}\n", a.run, loaded.step,
               e.n_layers > 0 ? "; in brackets: attention, 1 where all words get the same" : "");
  }
  for (const std::string& text : texts) {
    const Prediction p = e.predict(text);
    if (a.json) all.push_back(json_of(text, p, e.classes));
    if (!a.json) print_text(text, p, e.classes, a.words);
  }
  if (a.json) fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
  return 0;
}

}  // namespace

Action add_predict(CLI::App& app) {
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = app.add_subcommand(
      "predict", "let a trained model classify texts of yours, and say which words its heads attended");
  verb->add_option("run", a->run, "run folder, or its run.h5")->required();
  CLI::Option_group* from = verb->add_option_group("text");
  from->add_option("--text", a->text, "the text");
  from->add_option("--file", a->file, "a file with a text a line; - for standard input");
  from->require_option(1);
  verb->add_option("--step", a->step, "snapshot to ask, by its step. Default: the last");
  verb->add_option("--words", a->words, "words that are shown of each head")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  verb->add_flag(
      "--json", a->json,
      "all of it as JSON, a text an entry: class, probabilities, words_in_text, words (those that were read), known "
      "[word], attention [head][word] (a head's sum is 1)");
  verb->allow_extras();
  verb->footer(
      "The words' numbers come from the run's corpus, which must be as it was; if it is no longer where it was, say "
      "task.corpus=PATH. For example:\n"
      "  saltus predict runs/foods --text \"not what I expected, but the coffee is wonderful\"\n"
      "  saltus predict runs/foods --file reviews.txt --json");
  return [a, verb] { return predict(*a, *verb); };
}

}  // namespace saltus::cli
