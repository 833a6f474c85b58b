#pragma once
#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "data/text/files.h"

namespace saltus {

/// A made corpus whose classes only the order of the words tells: every text has "good", "bad" and "not" once each,
/// and says "not good ... bad", in either order of the two, in a complaint and "good ... not bad" in praise, all among
/// words that mean nothing. So counting words is at chance, and a model of words in context can be right every time.
/// Lengths are uniform over 11..65 words, all of which must be read. Half of the texts are of each class.
struct SmallCorpus {
  int documents = 200;
  std::uint32_t seed = 1;
  bool fixed_test = false;  // the corpus says itself which are the test part: every fifth pair of texts
};

inline std::string small_corpus_text(bool praise, std::mt19937& random) {
  static const char* const things[] = {"soup", "bread", "tea", "room", "view", "price", "music", "garden"};
  static const char* const filler[] = {"we",      "came", "on",     "monday", "with",
                                       "friends", "and",  "stayed", "for",    "hours"};
  // Not the laws of std, which differ from system to system.
  const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  const auto chatter = [&](std::uint32_t n) {
    std::string words;
    for (; n > 0; --n) words += std::string(filler[below(10)]) + " ";
    return words;
  };
  const auto clause = [&](const char* verdict) { return std::string("the ") + things[below(8)] + " was " + verdict; };
  std::string first = clause(praise ? "good" : "not good"), second = clause(praise ? "not bad" : "bad");
  if (below(2) == 1) std::swap(first, second);
  const std::uint32_t n = below(55), n_before = below(n + 1), n_between = below(n - n_before + 1);
  const std::string before = chatter(n_before), between = chatter(n_between), after = chatter(n - n_before - n_between);
  return before + first + " but " + between + second + " " + after + "!";
}

/// As a .tsv with a header: label, text and, with fixed_test, part.
inline std::string small_corpus_tsv(const SmallCorpus& recipe = {}) {
  std::mt19937 random(recipe.seed);
  std::string tsv = recipe.fixed_test ? "label\tpart\ttext\n" : "label\ttext\n";
  for (int i = 0; i < recipe.documents; ++i) {
    tsv += i % 2 == 0 ? "praise\t" : "complaint\t";
    if (recipe.fixed_test) tsv += i / 2 % 5 == 0 ? "test\t" : "train\t";
    tsv += small_corpus_text(i % 2 == 0, random) + "\n";
  }
  return tsv;
}

/// A .tsv in a folder of its own, which goes when this goes.
class CorpusFile {
 public:
  explicit CorpusFile(const std::string& tsv) : path_((folder_.path() / "corpus.tsv").string()) {
    write_whole(path_, tsv);
  }
  explicit CorpusFile(const SmallCorpus& recipe = {}) : CorpusFile(small_corpus_tsv(recipe)) {}
  const std::string& path() const { return path_; }

 private:
  TemporaryFolder folder_;
  std::string path_;
};

}  // namespace saltus
