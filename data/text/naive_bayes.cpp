#include "data/text/naive_bayes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"

namespace saltus {

NaiveBayes::NaiveBayes(int n_classes, std::int32_t vocabulary_size)
    : vocabulary_size_(vocabulary_size),
      documents_(static_cast<std::size_t>(n_classes)),
      total_(documents_.size()),
      with_word_(documents_.size() * static_cast<std::size_t>(vocabulary_size)) {}

std::vector<std::int32_t> NaiveBayes::different_words(std::span<const std::int32_t> ids) const {
  std::vector<std::int32_t> words(ids.begin(), ids.end());
  std::erase_if(words, [](std::int32_t id) { return id == Vocabulary::padding || id == Vocabulary::unknown; });
  std::ranges::sort(words);
  words.erase(std::ranges::unique(words).begin(), words.end());
  check(words.empty() || (words.front() >= 0 && words.back() < vocabulary_size_), "words {}..{} are outside 0..{}",
        words.empty() ? 0 : words.front(), words.empty() ? 0 : words.back(), vocabulary_size_ - 1);
  return words;
}

void NaiveBayes::add(std::span<const std::int32_t> ids, int label) {
  check(label >= 0 && label < std::ssize(documents_), "class {} is outside 0..{}", label, std::ssize(documents_) - 1);
  const auto c = static_cast<std::size_t>(label), stride = static_cast<std::size_t>(vocabulary_size_);
  ++documents_[c];
  for (std::int32_t word : different_words(ids)) {
    ++with_word_[c * stride + static_cast<std::size_t>(word)];
    ++total_[c];
  }
}

std::vector<double> NaiveBayes::log_joint(std::span<const std::int32_t> ids) const {
  const std::vector<std::int32_t> words = different_words(ids);
  const double n = std::reduce(documents_.begin(), documents_.end()), known = vocabulary_size_ - 2;
  const auto stride = static_cast<std::size_t>(vocabulary_size_);
  std::vector<double> out;
  for (std::size_t c = 0; c < documents_.size(); ++c) {
    double sum = std::log(documents_[c] / n);
    for (std::int32_t word : words) {
      sum += std::log((with_word_[c * stride + static_cast<std::size_t>(word)] + 1) / (total_[c] + known));
    }
    out.push_back(sum);
  }
  return out;
}

int NaiveBayes::predict(std::span<const std::int32_t> ids) const {
  const std::vector<double> scores = log_joint(ids);
  return static_cast<int>(std::ranges::max_element(scores) - scores.begin());
}

NaiveBayes naive_bayes(const TextClassification& task) {
  NaiveBayes model(task.n_classes(), task.vocabulary().size());
  for (int d : task.split().train) model.add(task.ids(d), task.label(d));
  return model;
}

double accuracy(const NaiveBayes& model, const TextClassification& task, std::span<const int> documents) {
  check(!documents.empty(), "there is no document to measure the accuracy on");
  const auto right =
      std::ranges::count_if(documents, [&](int d) { return model.predict(task.ids(d)) == task.label(d); });
  return static_cast<double>(right) / static_cast<double>(documents.size());
}

}  // namespace saltus
