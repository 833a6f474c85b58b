#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>

#include "cli/verbs.h"
#include "core/check.h"
#include "data/text/cache.h"
#include "data/text/corpus.h"
#include "data/text/fetch.h"

namespace saltus::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kExampleBytes = 64;

struct ClassCounts {
  std::string name;
  std::int64_t documents = 0, train = 0, test = 0;
  const Document* example = nullptr;  // the first one
};

/// What `saltus data show` tells about a corpus.
struct CorpusSummary {
  std::vector<ClassCounts> classes;
  std::vector<std::int64_t> words;  // of each document, sorted
  std::int64_t repeated = 0;        // documents with the text of an earlier one
  std::int64_t test_in_train = 0;   // test documents with the text of a training document
  bool has_parts = false;
};

std::int64_t count_words(std::string_view text) {
  std::int64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
    words += !blank && !inside ? 1 : 0;
    inside = !blank;
  }
  return words;
}

CorpusSummary summarize(const Corpus& corpus) {
  CorpusSummary s;
  for (const std::string& name : corpus.classes) s.classes.push_back({.name = name});
  std::unordered_set<std::string_view> seen, train;
  for (const Document& d : corpus.documents) {
    ClassCounts& c = s.classes[static_cast<std::size_t>(d.label)];
    ++c.documents;
    c.train += d.part == Part::train ? 1 : 0;
    c.test += d.part == Part::test ? 1 : 0;
    if (!c.example) c.example = &d;
    s.words.push_back(count_words(d.text));
    s.repeated += seen.insert(d.text).second ? 0 : 1;
    if (d.part == Part::train) train.insert(d.text);
  }
  for (const Document& d : corpus.documents) s.test_in_train += d.part == Part::test && train.contains(d.text) ? 1 : 0;
  s.has_parts = corpus.documents[0].part != Part::unassigned;
  std::sort(s.words.begin(), s.words.end());
  return s;
}

/// The value below which a share `q` of the documents lies.
std::int64_t quantile(const std::vector<std::int64_t>& sorted, double q) {
  return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
}

double mean(const std::vector<std::int64_t>& values) {
  return static_cast<double>(std::accumulate(values.begin(), values.end(), std::int64_t{0})) /
         static_cast<double>(values.size());
}

/// One line of at most kExampleBytes bytes, cut between characters.
std::string one_line(const std::string& text) {
  std::string line;
  for (const char c : text) {
    const bool blank = static_cast<unsigned char>(c) < ' ';
    if (line.size() >= kExampleBytes && (static_cast<unsigned char>(c) & 0xC0) != 0x80) return line + " ...";
    line += blank ? ' ' : c;
  }
  return line;
}

/// name, source, ... : what is known of a corpus's origin.
std::vector<std::pair<std::string, std::string>> facts(const Provenance& p) {
  std::vector<std::pair<std::string, std::string>> all = {{"source", p.source},
                                                          {"source date", p.source_date},
                                                          {"licence", p.licence},
                                                          {"sha256", p.sha256},
                                                          {"retrieved", p.retrieved}};
  std::erase_if(all, [](const auto& fact) { return fact.second.empty(); });
  return all;
}

void print_classes(const CorpusSummary& s, std::size_t documents) {
  std::size_t width = 5;
  for (const ClassCounts& c : s.classes) width = std::max(width, c.name.size());
  fmt::print("\n{:<{}}  documents   share{}\n", "class", width, s.has_parts ? "   train    test" : "");
  for (const ClassCounts& c : s.classes) {
    fmt::print("{:<{}}  {:>9}  {:>5.1f}%", c.name, width, c.documents,
               100.0 * static_cast<double>(c.documents) / static_cast<double>(documents));
    if (s.has_parts) fmt::print("  {:>6}  {:>6}", c.train, c.test);
    fmt::print("\n");
  }
}

void print_text(const Corpus& corpus, const CorpusSummary& s) {
  fmt::print("{}: {} documents in {} classes\n", corpus.provenance.name, corpus.documents.size(), s.classes.size());
  print_classes(s, corpus.documents.size());
  fmt::print("\nwords     {} to {}, median {}, mean {:.1f}, 95% have at most {}\n", s.words.front(), s.words.back(),
             quantile(s.words, 0.5), mean(s.words), quantile(s.words, 0.95));
  fmt::print("repeated  {} documents have the text of an earlier one", s.repeated);
  fmt::print(
      "{}\n\nexamples\n",
      s.has_parts ? fmt::format("; {} test documents have the text of a training document", s.test_in_train) : "");
  for (const ClassCounts& c : s.classes)
    fmt::print("  {} ({}):\n    {}\n", c.name, c.example->source, one_line(c.example->text));
  fmt::print("\nprovenance\n");
  for (const auto& [name, value] : facts(corpus.provenance)) fmt::print("  {:<11}  {}\n", name, value);
}

Json json_of(const Provenance& p) {
  return {{"name", p.name},       {"source", p.source}, {"source_date", p.source_date},
          {"licence", p.licence}, {"sha256", p.sha256}, {"retrieved", p.retrieved}};
}

Json json_of(const Corpus& corpus, const CorpusSummary& s) {
  Json classes = Json::array();
  for (const ClassCounts& c : s.classes)
    classes.push_back({{"name", c.name},
                       {"documents", c.documents},
                       {"train", c.train},
                       {"test", c.test},
                       {"example", {{"source", c.example->source}, {"text", c.example->text}}}});
  return {{"documents", corpus.documents.size()},
          {"has_parts", s.has_parts},
          {"classes", classes},
          {"words",
           {{"min", s.words.front()},
            {"median", quantile(s.words, 0.5)},
            {"mean", mean(s.words)},
            {"q95", quantile(s.words, 0.95)},
            {"max", s.words.back()}}},
          {"repeated", s.repeated},
          {"test_in_train", s.test_in_train},
          {"provenance", json_of(corpus.provenance)}};
}

std::string megabytes(std::int64_t bytes) { return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6); }

void list_text() {
  for (const CorpusSource& source : corpus_sources()) {
    fmt::print("{}: {}\n", source.name, source.doc);
    const auto entry = cache_entry(source.name);
    if (!entry) {
      fmt::print("  not fetched: {} to download from {}\n    {} data fetch {}\n", source.download, source.from,
                 command(), source.name);
    } else {
      const Provenance& p = entry->provenance;
      fmt::print("  fetched {}: {} documents, {}, source of {}\n", p.retrieved.substr(0, 10), entry->documents,
                 megabytes(entry->tsv_bytes), p.source_date.substr(0, 10));
    }
  }
  fmt::print("\nin {}\n", cache_folder().string());
}

Json list_json() {
  Json all = Json::array();
  for (const CorpusSource& source : corpus_sources()) {
    const auto entry = cache_entry(source.name);
    Json fetched = nullptr;
    if (entry)
      fetched = {
          {"documents", entry->documents}, {"bytes", entry->tsv_bytes}, {"provenance", json_of(entry->provenance)}};
    all.push_back({{"name", source.name},
                   {"doc", source.doc},
                   {"from", source.from},
                   {"download", source.download},
                   {"fetched", fetched}});
  }
  return {{"folder", cache_folder().string()}, {"corpora", all}};
}

Action add_list(CLI::App& data) {
  auto json = std::make_shared<bool>(false);
  CLI::App* verb = data.add_subcommand("ls", "which texts can be fetched, and which are there");
  verb->add_flag("--json", *json, "as JSON; `fetched` is null for what is not there");
  verb->footer("For example:\n  saltus data ls --json");
  return [json] {
    if (*json) fmt::print("{}\n", list_json().dump(2));
    if (!*json) list_text();
    return 0;
  };
}

Action add_fetch(CLI::App& data) {
  struct Arguments {
    std::string name;
    bool again = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb =
      data.add_subcommand("fetch", "fetch texts from Debian's archive into the cache; needs no privileges");
  verb->add_option("corpus", a->name, "its name: see `saltus data ls`")->required();
  verb->add_flag("--again", a->again, "also when it is there");
  verb->footer("For example:\n  saltus data fetch small_fine_foods");
  return [a] {
    const std::vector<std::string> names = corpus_names();
    if (!a->again && std::ranges::find(names, a->name) != names.end() && read_cached(a->name)) {
      fmt::print("{} is in {} already; --again fetches it anew\n", a->name, cache_folder().string());
      return 0;
    }
    const CacheEntry entry = fetch_corpus(a->name, [](const std::string& line) { fmt::print(stderr, "{}\n", line); });
    fmt::print("{}: {} documents, {} in {}\nlook at it: {} data show {}\n", a->name, entry.documents,
               megabytes(entry.tsv_bytes), cache_folder().string(), command(), a->name);
    return 0;
  };
}

Action add_show_corpus(CLI::App& data) {
  struct Arguments {
    std::string corpus;
    bool json = false;
  };
  auto a = std::make_shared<Arguments>();
  CLI::App* verb = data.add_subcommand("show", "classes, lengths, examples and origin of fetched or own texts");
  verb->add_option("corpus", a->corpus, "a name, or the path of a .tsv, a .csv or a folder")->required();
  verb->add_flag("--json", a->json, "as JSON");
  verb->footer("For example:\n  saltus data show small_fine_foods\n  saltus data show reviews.csv");
  return [a] {
    const Corpus corpus = load_corpus(a->corpus);
    const CorpusSummary summary = summarize(corpus);
    if (a->json) fmt::print("{}\n", json_of(corpus, summary).dump(2));
    if (!a->json) print_text(corpus, summary);
    return 0;
  };
}

}  // namespace

Action add_data(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "texts to classify: ls, fetch, show");
  data->require_subcommand(1);
  data->footer("For example:\n  saltus data ls");
  using Verb = std::pair<const CLI::App*, Action>;
  auto verbs = std::make_shared<std::vector<Verb>>();
  for (auto make : {add_list, add_fetch, add_show_corpus}) {
    Action action = make(*data);
    verbs->emplace_back(data->get_subcommands([](CLI::App*) { return true; }).back(), std::move(action));
  }
  return [verbs] {
    for (const auto& [verb, action] : *verbs) {
      if (verb->parsed()) return action();
    }
    return static_cast<int>(ExitCode::bad_input);
  };
}

}  // namespace saltus::cli
