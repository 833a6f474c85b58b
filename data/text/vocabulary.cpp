#include "data/text/vocabulary.h"

#include <algorithm>
#include <utility>

#include "core/check.h"

namespace saltus {

Vocabulary::Vocabulary(std::span<const std::vector<std::string>> documents, std::span<const int> of,
                       std::int64_t min_count, std::int64_t max_words)
    : words_{"<padding>", "<unknown>"}, count_{0, 0} {
  check(min_count >= 1 && max_words >= 1, "min_count {} and max_words {} must be at least 1", min_count, max_words);
  std::unordered_map<std::string_view, std::int64_t> occurrences;
  for (int d : of) {
    for (const std::string& word : documents[static_cast<std::size_t>(d)]) ++occurrences[word];
  }
  std::vector<std::pair<std::string_view, std::int64_t>> ranked(occurrences.begin(), occurrences.end());
  std::ranges::sort(ranked, [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  for (const auto& [word, n] : ranked) {
    if (n < min_count || static_cast<std::int64_t>(words_.size()) - 2 >= max_words) {
      count_[unknown] += n;
      continue;
    }
    id_.emplace(word, size());
    words_.emplace_back(word);
    count_.push_back(n);
  }
}

std::int32_t Vocabulary::id(std::string_view word) const {
  const auto found = id_.find(word);
  return found == id_.end() ? unknown : found->second;
}

std::vector<std::int32_t> Vocabulary::ids(std::span<const std::string> words) const {
  std::vector<std::int32_t> ids(words.size());
  std::ranges::transform(words, ids.begin(), [this](const std::string& word) { return id(word); });
  return ids;
}

std::size_t Vocabulary::checked(std::int32_t id) const {
  check(id >= 0 && id < size(), "word {} is outside 0..{}", id, size() - 1);
  return static_cast<std::size_t>(id);
}

const std::string& Vocabulary::word(std::int32_t id) const { return words_[checked(id)]; }

std::int64_t Vocabulary::count(std::int32_t id) const { return count_[checked(id)]; }

}  // namespace saltus
