#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace saltus {

/// Numbers for words. 0 pads, 1 stands for any word that has no number; the others follow from 2 on by falling number
/// of occurrences, words with as many in the order of their bytes.
class Vocabulary {
 public:
  static constexpr std::int32_t padding = 0, unknown = 1;

  /// Of documents[i] for each i in `of`, which is to be the training part alone: each word that occurs at least
  /// min_count times, but no more than the max_words most frequent.
  Vocabulary(std::span<const std::vector<std::string>> documents, std::span<const int> of, std::int64_t min_count,
             std::int64_t max_words);

  /// How many numbers there are: the words and the two that are none.
  std::int32_t size() const { return static_cast<std::int32_t>(words_.size()); }
  std::int32_t id(std::string_view word) const;
  std::vector<std::int32_t> ids(std::span<const std::string> words) const;
  /// "<padding>" and "<unknown>" for the two, which no text has as a word.
  const std::string& word(std::int32_t id) const;
  /// Occurrences in the documents that it was built of; of `unknown`, those of all words left out.
  std::int64_t count(std::int32_t id) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view word) const { return std::hash<std::string_view>{}(word); }
  };
  std::size_t checked(std::int32_t id) const;

  std::vector<std::string> words_;   // [id]
  std::vector<std::int64_t> count_;  // [id]
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> id_;
};

}  // namespace saltus
