#include <rapidcheck.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "data/text/split.h"

namespace saltus {
namespace {

using Words = std::vector<std::string>;

/// A corpus of one-word documents: (label, word, part).
struct Row {
  int label;
  std::string word;
  Part part = Part::unassigned;
};

struct Made {
  Corpus corpus;
  std::vector<Words> words;
  Split split(std::uint64_t seed = 1, SplitShares shares = {}) const {
    return split_documents(corpus, words, shares, seed);
  }
};

Made made(const std::vector<Row>& rows) {
  Made m;
  m.corpus.classes = {"bad", "good"};
  m.corpus.provenance.name = "rows.tsv";
  for (const Row& row : rows) {
    m.corpus.documents.push_back({row.label, row.word, "", row.part});
    m.words.push_back({row.word});
  }
  return m;
}

/// n documents of each class, all different.
std::vector<Row> different(int n, Part part = Part::unassigned, const std::string& prefix = "w") {
  std::vector<Row> rows;
  for (int i = 0; i < 2 * n; ++i) rows.push_back({i % 2, prefix + std::to_string(i), part});
  return rows;
}

TEST_CASE("each class is split by the same shares, every document into one part") {
  const Split s = made(different(100)).split();
  CHECK(s.report.classes.size() == 2);
  for (const SplitReport::Counts& c : s.report.classes) {
    CHECK(c.test == 20);
    CHECK(c.validation == 10);
    CHECK(c.train == 70);
  }
  std::set<int> all(s.train.begin(), s.train.end());
  all.insert(s.validation.begin(), s.validation.end());
  all.insert(s.test.begin(), s.test.end());
  CHECK(all.size() == 200);
  CHECK(s.train.size() + s.validation.size() + s.test.size() == 200);
}

TEST_CASE("a split is a function of the seed") {
  const Made m = made(different(100));
  CHECK(m.split(5).test == m.split(5).test);
  CHECK(m.split(5).validation == m.split(5).validation);
  CHECK(m.split(5).test != m.split(6).test);
  CHECK(m.split(5).validation != m.split(6).validation);
}

TEST_CASE("a test part that the corpus assigns stays whole, and its copies in the train part go") {
  std::vector<Row> rows = different(50, Part::train);
  for (const Row& row : different(10, Part::test, "t")) rows.push_back(row);
  rows.push_back({0, "t4", Part::train});
  rows.push_back({1, "t4", Part::train});
  rows.push_back({0, "t4", Part::test});
  const Split s = made(rows).split();
  CHECK(s.report.fixed_test);
  CHECK(s.report.removed == 2);
  CHECK(s.report.duplicates == 3);
  CHECK(s.report.contradictions == 1);
  std::vector<int> test;
  for (int i = 0; i < static_cast<int>(rows.size()); ++i) {
    if (rows[static_cast<std::size_t>(i)].part == Part::test) test.push_back(i);
  }
  CHECK(s.test == test);
  CHECK(s.report.total().validation == 10);  // a tenth of the 100 that may be trained on
  CHECK(s.report.total().train == 90);
  CHECK(s.report.text(std::vector<std::string>{"bad", "good"}) ==
        "class    train validation    test\n"
        "bad         45          5      11\n"
        "good        45          5      10\n"
        "all         90         10      21\n"
        "test part: the corpus's own\n"
        "3 documents have the words of an earlier one, 1 of them in another class\n"
        "2 of the train part have the words of a test document: left out");
}

TEST_CASE("documents with equal words are never in two parts") {
  CHECK(rc::check("whatever the corpus", [](bool fixed, std::uint64_t seed) {
    std::vector<Row> rows = different(20, fixed ? Part::train : Part::unassigned, "alone");
    for (const Row& row : different(2, fixed ? Part::test : Part::unassigned, "test")) rows.push_back(row);
    for (int n = *rc::gen::inRange(0, 60); n > 0; --n) {
      Row row{*rc::gen::inRange(0, 2), "copy" + std::to_string(*rc::gen::inRange(0, 12)), Part::unassigned};
      if (fixed) row.part = *rc::gen::element(Part::train, Part::test);
      rows.push_back(row);
    }
    const Made m = made(rows);
    const Split s = m.split(seed);
    std::map<Words, std::set<const void*>> parts;
    for (const std::vector<int>* part : {&s.train, &s.validation, &s.test}) {
      for (int d : *part) parts[m.words[static_cast<std::size_t>(d)]].insert(part);
    }
    for (const auto& [words, in] : parts) RC_ASSERT(in.size() == 1U);
    RC_ASSERT(s.train.size() + s.validation.size() + s.test.size() + static_cast<std::size_t>(s.report.removed) ==
              rows.size());
    RC_ASSERT(fixed || s.report.removed == 0);
    RC_ASSERT(s.report.total().train == static_cast<std::int64_t>(s.train.size()));
    RC_ASSERT(s.report.total().test == static_cast<std::int64_t>(s.test.size()));
  }));
}

TEST_CASE("a text that is there many times does not fill a small part alone") {
  std::vector<Row> rows = different(20);
  for (int i = 0; i < 32; ++i) rows.push_back({0, "copy", Part::unassigned});
  const Made m = made(rows);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Split s = m.split(seed);
    CHECK(s.report.total().test > 0);
    CHECK(s.report.total().validation > 0);
  }
}

TEST_CASE("a corpus that is too small to split is refused") {
  CHECK_THROWS_WITH(made(different(2)).split(),
                    "rows.tsv: 4 documents are too few: split they give 4 to train on, 0 to validate and 0 to test");
  const std::vector<Row> copies(40, {0, "copy", Part::unassigned});
  CHECK_THROWS_WITH(made(copies).split(),
                    "rows.tsv: 40 documents, of which 1 differ, are too few: split they give 40 to train on, 0 to "
                    "validate and 0 to test");
  std::vector<Row> rows = different(20, Part::test);
  for (int i = 0; i < 20; ++i) rows.push_back({1, "x" + std::to_string(i), Part::train});
  CHECK_THROWS_WITH(made(rows).split(), "rows.tsv: there is no document to train on of class 'bad', which has 20");
}

}  // namespace
}  // namespace saltus
