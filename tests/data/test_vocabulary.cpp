#include <catch2/catch.hpp>

#include "data/text/vocabulary.h"

namespace saltus {
namespace {

const std::vector<std::vector<std::string>> documents = {
    {"tea", "and", "cake", "and", "tea"}, {"and", "milk"}, {}, {"cake", "salt"}};

const std::vector<int> all = {0, 1, 2, 3};

TEST_CASE("words are numbered by falling frequency, ties by the word") {
  const Vocabulary v(documents, all, 1, 100);
  std::vector<std::string> words;
  std::vector<std::int64_t> counts;
  for (std::int32_t id = 0; id < v.size(); ++id) {
    words.push_back(v.word(id));
    counts.push_back(v.count(id));
    if (id >= 2) CHECK(v.id(v.word(id)) == id);
  }
  CHECK(words == std::vector<std::string>{"<padding>", "<unknown>", "and", "cake", "tea", "milk", "salt"});
  CHECK(counts == std::vector<std::int64_t>{0, 0, 3, 2, 2, 1, 1});
}

TEST_CASE("rare words, and those beyond the largest size, are unknown and counted as such") {
  const Vocabulary rare(documents, all, 2, 100), small(documents, all, 1, 2);
  CHECK(rare.size() == 5);
  CHECK(rare.count(Vocabulary::unknown) == 2);
  CHECK(small.size() == 4);
  CHECK(small.word(3) == "cake");
  CHECK(small.count(Vocabulary::unknown) == 4);
  const std::vector<std::string> text = {"salt", "tea", "pepper", "and"};
  CHECK(rare.ids(text) == std::vector<std::int32_t>{1, 4, 1, 2});
  CHECK(small.ids(text) == std::vector<std::int32_t>{1, 1, 1, 2});
}

TEST_CASE("a vocabulary of nothing has the two numbers that are no words; others are refused") {
  const Vocabulary empty(documents, {}, 1, 1);
  CHECK(empty.size() == 2);
  CHECK(empty.id("tea") == Vocabulary::unknown);
  CHECK_THROWS_WITH(empty.word(2), "word 2 is outside 0..1");
  CHECK_THROWS_WITH(empty.count(-1), "word -1 is outside 0..1");
  CHECK_THROWS_WITH(Vocabulary({}, {}, 0, 1), "min_count 0 and max_words 1 must be at least 1");
}

TEST_CASE("a vocabulary knows the words of the documents that it is built of alone") {
  const Vocabulary v(documents, std::vector<int>{1, 3}, 1, 100);
  CHECK(v.id("tea") == Vocabulary::unknown);
  CHECK(v.count(v.id("and")) == 1);
  CHECK(v.count(v.id("salt")) == 1);
}

}  // namespace
}  // namespace saltus
