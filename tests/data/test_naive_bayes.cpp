#include <catch2/catch.hpp>
#include <cmath>

#include "data/small_corpus.h"
#include "data/text/naive_bayes.h"

namespace saltus {
namespace {

TEST_CASE("Naive Bayes is its formula, worked out by hand") {
  enum : std::int32_t { sweet = 2, sour = 3, old = 4 };
  NaiveBayes model(2, 5);
  model.add(std::vector<std::int32_t>{sweet, sweet, old}, 0);  // sweet counts once
  model.add(std::vector<std::int32_t>{sweet, 1, 0, 0}, 0);     // unknown words and padding do not count
  model.add(std::vector<std::int32_t>{sour, old}, 1);
  // N_0 = 3, N_1 = 2, V = 3.   P(w|0) = 3/6, 1/6, 2/6;   P(w|1) = 1/5, 2/5, 2/5.   Priors 2/3, 1/3.
  const std::vector<double> joint = model.log_joint(std::vector<std::int32_t>{old, sweet, old, 1, 0});
  CHECK(std::exp(joint[0]) == Approx(2.0 / 3 * 3 / 6 * 2 / 6));
  CHECK(std::exp(joint[1]) == Approx(1.0 / 3 * 1 / 5 * 2 / 5));
  CHECK(model.predict(std::vector<std::int32_t>{sweet}) == 0);
  CHECK(model.predict(std::vector<std::int32_t>{sour}) == 1);  // 2/3 1/6 < 1/3 2/5
  CHECK(model.predict(std::vector<std::int32_t>{}) == 0);      // the prior alone
}

TEST_CASE("Naive Bayes refuses what the vocabulary has not") {
  NaiveBayes model(2, 5);
  CHECK_THROWS_WITH(model.add(std::vector<std::int32_t>{2, 5}, 0), "words 2..5 are outside 0..4");
  CHECK_THROWS_WITH(model.add(std::vector<std::int32_t>{2}, 2), "class 2 is outside 0..1");
}

TEST_CASE("Naive Bayes learns classes with words of their own, from the training part alone") {
  std::string tsv = "label\tpart\ttext\n";
  for (int i = 0; i < 80; ++i) {
    const bool test = i >= 60, sea = i % 2 == 0;  // in the test part the labels are the wrong ones
    tsv += (sea != test ? "sea\t" : "hill\t") + std::string(test ? "test\t" : "train\t");
    tsv += (sea ? "salt wave number " : "stone path number ") + std::to_string(i) + "\n";
  }
  const CorpusFile file(tsv);
  const TextClassification task({.corpus = file.path()}, {});
  const NaiveBayes model = naive_bayes(task);
  CHECK(accuracy(model, task, task.documents(TextClassification::train_set)) == 1);
  CHECK(accuracy(model, task, task.documents(TextClassification::validation_set)) == 1);
  CHECK(accuracy(model, task, task.documents(TextClassification::test_set)) == 0);
}

TEST_CASE("Naive Bayes is at chance where only the order of the words tells the class") {
  const CorpusFile file(SmallCorpus{.documents = 1000});
  const TextClassification task({.corpus = file.path(), .test_share = 0.4}, {});
  CHECK(std::abs(accuracy(naive_bayes(task), task, task.documents(TextClassification::test_set)) - 0.5) < 0.125);
}

}  // namespace
}  // namespace saltus
