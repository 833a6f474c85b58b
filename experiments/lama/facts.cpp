#include "experiments/lama/facts.h"

#include <fmt/format.h>

#include <algorithm>

#include "data/text/files.h"
#include "experiments/lama/parameters.h"

namespace saltus::lama {
namespace {

/// Texts of each class among these documents.
std::vector<double> by_class(const TextClassification& task, std::span<const int> documents) {
  std::vector<double> texts(static_cast<std::size_t>(task.n_classes()));
  for (int d : documents) texts[static_cast<std::size_t>(task.label(d))] += 1;
  return texts;
}

Experiment::Fact majority(const TextClassification& task) {
  const std::vector<double> trained = by_class(task, task.split().train);
  const auto largest = static_cast<std::size_t>(std::max_element(trained.begin(), trained.end()) - trained.begin());
  std::vector<double> share;
  const std::vector<std::string> sets = task.eval_sets();
  for (int set = 0; set < std::ssize(sets); ++set) {
    const std::span<const int> documents = task.documents(set);
    share.push_back(by_class(task, documents)[largest] / static_cast<double>(documents.size()));
  }
  return {{"majority_accuracy",
           "share of the class that the training part has most of",
           {{.name = "evalset", .labels = sets}}},
          share};
}

Experiment::Fact words(const Vocabulary& vocabulary) {
  Dim word{.name = "word", .long_name = "what a token stands for"};
  std::vector<double> counts;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    word.labels.push_back(vocabulary.word(id));
    counts.push_back(static_cast<double>(vocabulary.count(id)));
  }
  return {{"word_count", "occurrences in the training part", {word}}, counts};
}

/// Of all words with their occurrences in the training part, a line each, in the order of their numbers. Where it is
/// the same, texts get the same ids, and the split is the same.
std::string vocabulary_sha256(const Vocabulary& vocabulary) {
  std::string lines;
  for (std::int32_t id = 0; id < vocabulary.size(); ++id)
    lines += fmt::format("{} {}\n", vocabulary.word(id), vocabulary.count(id));
  return sha256_hex(lines);
}

/// What a person should know of the texts before reading any number of the run.
std::string summary(const TextClassification& task) {
  const Split& split = task.split();
  const auto cut = [&task](const std::vector<int>& documents) { return task.losses(documents).cut; };
  return fmt::format("{}\nlonger than {} words and cut there: {} to train on, {} to validate, {} to test",
                     split.report.text(task.classes()), task.config().max_length, cut(split.train),
                     cut(split.validation), cut(split.test));
}

}  // namespace

std::vector<Experiment::Fact> facts(const TextClassification& task, const ModelConfig& model) {
  const ParameterCounts parameters = parameter_counts(model, task.vocabulary().size(), task.n_classes());
  const Dim part{.name = "part", .labels = part_names(), .long_name = "part of the model"};
  const Dim classes{.name = "class", .labels = task.classes(), .long_name = "what a label stands for"};
  return {majority(task),
          {{"parameters", "numbers that this part learns", {part}}, parameters.values()},
          words(task.vocabulary()),
          {{"class_texts", "texts of the training part", {classes}}, by_class(task, task.split().train)}};
}

Attributes notes(const TextClassification& task) {
  const Provenance& from = task.corpus().provenance;
  const Split& split = task.split();
  Attributes all = {{"corpus", from.name},
                    {"corpus_source", from.source},
                    {"corpus_source_date", from.source_date},
                    {"corpus_licence", from.licence},
                    {"corpus_sha256", from.sha256},
                    {"corpus_retrieved", from.retrieved},
                    {"classes", task.classes()},
                    {"vocabulary_size", static_cast<std::int64_t>(task.vocabulary().size())},
                    {"vocabulary_sha256", vocabulary_sha256(task.vocabulary())},
                    {"split_report", split.report.text(task.classes())},
                    {"data_summary", summary(task)}};
  const TextConfig& config = task.config();
  const std::string path = own_path(config.read_at.empty() ? config.corpus : config.read_at);
  if (!path.empty()) all.push_back({"data_path", path});
  const auto add_part = [&](const std::string& part, const std::vector<int>& documents) {
    const TextClassification::Losses lost = task.losses(documents);
    all.push_back({part + "_texts", lost.documents});
    all.push_back({part + "_texts_cut", lost.cut});
    all.push_back({part + "_unknown_share", lost.unknown_share()});
  };
  add_part("train", split.train);
  add_part("validation", split.validation);
  add_part("test", split.test);
  return all;
}

}  // namespace saltus::lama
