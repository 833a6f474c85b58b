// What every sample of text_classification must satisfy, and the laws that show over many.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>

#include "config/reader.h"
#include "data/owned_batch.h"
#include "data/small_corpus.h"
#include "data/text/text_classification.h"
#include "data/text/tokeniser.h"

namespace saltus {
namespace {

using TextTask = TextClassification;  // short, for the many names of fields and sets
const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

/// One sample's arrays.
struct Sample {
  std::vector<std::int32_t> tokens;
  std::vector<float> mask;
  std::int32_t label, key;
  bool operator==(const Sample&) const = default;
  std::vector<std::int32_t> words() const {
    const auto n = std::ranges::count(mask, 1.0F);
    return {tokens.begin(), tokens.begin() + n};
  }
};

template <class Fill>
std::vector<Sample> samples(const TextTask& task, int bucket, int n, const Fill& fill) {
  const OwnedBatch owned(task.bucket_fields(bucket), n);
  const Batch& batch = owned.batch();
  fill(batch);
  const std::int64_t length = task.length_of_bucket(bucket);
  std::vector<Sample> out;
  for (int i = 0; i < n; ++i) {
    const std::int32_t* tokens = batch.i32(TextTask::tokens_field) + i * length;
    const float* mask = batch.f32(TextTask::mask_field) + i * length;
    out.push_back({{tokens, tokens + length},
                   {mask, mask + length},
                   batch.i32(TextTask::label_field)[i],
                   batch.i32(TextTask::key_field)[i]});
  }
  return out;
}

std::vector<Sample> train(const TextTask& task, std::int64_t step, int n, int first = 0) {
  return samples(task, task.train_bucket(step), n, [&](const Batch& b) { task.sample_train(step, first, b); });
}

std::vector<Sample> eval(const TextTask& task, int set, int n, int first = 0) {
  return samples(task, task.buckets() - 1, n, [&](const Batch& b) { task.sample_eval(set, first, b); });
}

/// Words are a prefix, padding follows, and there is at least one word.
void check_arrays(const Sample& s, std::int64_t length, const TextTask& task) {
  REQUIRE(std::ssize(s.tokens) == length);
  REQUIRE(s.mask.front() == 1);
  REQUIRE(std::ranges::is_sorted(s.mask, std::greater<>()));
  for (std::size_t t = 0; t < s.tokens.size(); ++t) {
    REQUIRE((s.mask[t] == 0 || s.mask[t] == 1));
    REQUIRE((s.tokens[t] == Vocabulary::padding) == (s.mask[t] == 0));
    REQUIRE((s.tokens[t] >= 0 && s.tokens[t] < task.vocabulary().size()));
  }
  REQUIRE((s.label >= 0 && s.label < task.n_classes()));
}

struct Fixture {
  CorpusFile file{SmallCorpus{.documents = 400}};
  TextConfig config{.corpus = file.path(), .max_length = 40, .bucket = 16};
  TextTask task{config, seeds};
};

TEST_CASE("a text task has the arrays of its last bucket and buckets in steps up to the longest text") {
  const Fixture f;
  const std::vector<SampleField> fields = f.task.fields();
  REQUIRE(fields.size() == 4);
  const std::vector<std::string> names = {"tokens", "mask", "label", "dropout_key"};
  for (std::size_t k = 0; k < 4; ++k) {
    CHECK(fields[k].name == names[k]);
    CHECK(fields[k].shape == (k < 2 ? Shape{40} : Shape{}));
    CHECK(fields[k].dims == (k < 2 ? std::vector<std::string>{"position"} : std::vector<std::string>{}));
    CHECK(fields[k].dtype == (k == 1 ? DType::f32 : DType::i32));
  }
  REQUIRE(f.task.buckets() == 3);
  std::int64_t documents = 0;
  for (int b = 0; b < 3; ++b) {
    CHECK(f.task.length_of_bucket(b) == std::vector<std::int64_t>{16, 32, 40}[static_cast<std::size_t>(b)]);
    CHECK(f.task.bucket_fields(b)[1].shape == Shape{f.task.length_of_bucket(b)});
    documents += f.task.documents_in_bucket(b);
  }
  CHECK(documents == std::ssize(f.task.split().train));
  CHECK_THROWS_WITH(f.task.bucket_fields(3), "bucket 3 is outside 0..2");
}

TEST_CASE("buckets without training documents are left out, but the last is there") {
  std::string tsv = "label\ttext\n";
  for (int i = 0; i < 60; ++i)
    tsv +=
        (i % 2 ? "a\tone two " : "b\t") + std::string(i < 30 ? "" : "w w w w w w w ") + "x" + std::to_string(i) + "\n";
  const CorpusFile file(tsv);
  const TextTask task({.corpus = file.path(), .max_length = 40, .bucket = 4}, seeds);
  REQUIRE(task.buckets() == 4);  // 1 or 3 words, 8 or 10 words, none longer
  CHECK(task.length_of_bucket(0) == 4);
  CHECK(task.length_of_bucket(1) == 8);
  CHECK(task.length_of_bucket(2) == 12);
  CHECK(task.length_of_bucket(3) == 40);
  CHECK(task.documents_in_bucket(3) == 0);
  for (std::int64_t step = 0; step < 200; ++step) REQUIRE(task.train_bucket(step) < 3);
}

TEST_CASE("training samples are of their step's bucket and of the training part") {
  const Fixture f;
  std::map<std::vector<std::int32_t>, int> label_of;
  for (int d : f.task.split().train) {
    const std::span<const std::int32_t> ids = f.task.ids(d);
    label_of[{ids.begin(), ids.end()}] = f.task.label(d);
  }
  std::set<int> seen;
  for (std::int64_t step = 0; step < 40; ++step) {
    const int bucket = f.task.train_bucket(step);
    const std::int64_t length = f.task.length_of_bucket(bucket);
    const std::int64_t shorter = bucket > 0 ? f.task.length_of_bucket(bucket - 1) : 0;
    seen.insert(bucket);
    for (const Sample& s : train(f.task, step, 16)) {
      check_arrays(s, length, f.task);
      REQUIRE(std::ssize(s.words()) > shorter);
      REQUIRE(label_of.at(s.words()) == s.label);
    }
  }
  CHECK(seen.size() == 3);
}

TEST_CASE("text samples are a pure function of seed, step and sample, and a part of a batch is that of the whole") {
  const Fixture f;
  const TextTask again(f.config, seeds);
  const std::vector<Sample> whole = train(f.task, 7, 48);
  CHECK(whole == train(again, 7, 48));
  for (int first : {0, 1, 31}) {
    const std::vector<Sample> part = train(f.task, 7, 17, first);
    CHECK(std::ranges::equal(part, std::span(whole).subspan(static_cast<std::size_t>(first), 17)));
  }
  CHECK(train(f.task, 4294967295, 4) != train(f.task, 4294967294, 4));
  CHECK_THROWS_WITH(f.task.train_bucket(4294967296),
                    "step 4294967296 is outside 0..2^32-1, which the random numbers are keyed by");

  std::set<std::int32_t> keys;
  for (std::int64_t step = 0; step < 50; ++step) {
    for (const Sample& s : train(f.task, step, 20)) keys.insert(s.key);
  }
  CHECK(keys.size() >= 999);  // of 1000 words of 32 bits, two are equal once in 8600 tries
}

TEST_CASE("each seed of a text task changes its own part") {
  const Fixture f;
  Seeds data = seeds, eval_seed = seeds, task_seed = seeds;
  data.data = eval_seed.eval = task_seed.task = 99;
  const TextTask other_data(f.config, data), other_eval(f.config, eval_seed), other_task(f.config, task_seed);
  CHECK(train(f.task, 0, 8) != train(other_data, 0, 8));
  CHECK(eval(f.task, 0, 20) == eval(other_data, 0, 20));
  CHECK(train(f.task, 0, 8) == train(other_eval, 0, 8));
  CHECK(eval(f.task, 0, 20) != eval(other_eval, 0, 20));
  CHECK(f.task.split().test == other_eval.split().test);
  CHECK(f.task.split().test != other_task.split().test);
}

TEST_CASE("every training document is as likely as any other") {
  const Fixture f;
  const int n_steps = 3000, per_step = 8;
  std::vector<double> of_bucket(3);
  std::map<std::vector<std::int32_t>, double> of_document;
  for (std::int64_t step = 0; step < n_steps; ++step) {
    ++of_bucket[static_cast<std::size_t>(f.task.train_bucket(step))];
    for (const Sample& s : train(f.task, step, per_step)) ++of_document[s.words()];
  }
  const auto n_train = static_cast<double>(f.task.split().train.size());
  for (int b = 0; b < 3; ++b) {
    const double p = static_cast<double>(f.task.documents_in_bucket(b)) / n_train;
    CHECK(std::abs(of_bucket[static_cast<std::size_t>(b)] - n_steps * p) < 5 * std::sqrt(n_steps * p * (1 - p)));
  }
  // A document is drawn when its bucket is: then its number is binomial in per_step draws out of n. The variance of the
  // sum over steps is at most (per_step / n)^2 var(bucket) + the binomial's, worst for the smallest bucket.
  for (int b = 0; b < 3; ++b) {
    const auto n = static_cast<double>(f.task.documents_in_bucket(b));
    const double p = n / n_train, mean = n_steps * p * per_step / n;
    const double variance = n_steps * p * (1 - p) * std::pow(per_step / n, 2) + mean;
    for (int d : f.task.split().train) {
      const std::span<const std::int32_t> ids = f.task.ids(d);
      if ((std::ssize(ids) - 1) / 16 != b) continue;
      REQUIRE(std::abs(of_document[{ids.begin(), ids.end()}] - mean) < 5.5 * std::sqrt(variance));
    }
  }
}

TEST_CASE("test sets are the parts of the split, each document once, mixed in length, without dropout keys") {
  const Fixture f;
  CHECK(f.task.eval_sets() == std::vector<std::string>{"validation", "test", "train"});
  CHECK(f.task.eval_samples(TextTask::validation_set) == 40);
  CHECK(f.task.eval_samples(TextTask::test_set) == 80);
  CHECK(f.task.eval_samples(TextTask::train_set) == 40);
  const std::vector<int>* parts[] = {&f.task.split().validation, &f.task.split().test, &f.task.split().train};
  for (int set = 0; set < 3; ++set) {
    const auto n = static_cast<int>(f.task.eval_samples(set));
    const std::vector<Sample> whole = eval(f.task, set, n);
    const std::span<const int> documents = f.task.documents(set);
    std::set<int> once(documents.begin(), documents.end());
    CHECK(std::ssize(once) == n);
    CHECK(std::ranges::includes(*parts[set], once));
    CHECK_FALSE(std::ranges::is_sorted(documents));
    for (int i = 0; i < n; ++i) {
      const Sample& s = whole[static_cast<std::size_t>(i)];
      check_arrays(s, 40, f.task);
      const int d = documents[static_cast<std::size_t>(i)];
      REQUIRE(std::ranges::equal(s.words(), f.task.ids(d)));
      REQUIRE(s.label == f.task.label(d));
      REQUIRE(s.key == 0);
    }
    CHECK(std::ranges::equal(eval(f.task, set, 5, 30), std::span(whole).subspan(30, 5)));
  }
  const OwnedBatch two(f.task.fields(), 2);
  CHECK_THROWS_WITH(f.task.sample_eval(0, 39, two.batch()),
                    "samples 39..40 are outside the 40 of test set 'validation'");
  CHECK_THROWS_WITH(f.task.sample_eval(3, 0, two.batch()), "test set 3 is outside 0..2");
}

TEST_CASE("the vocabulary is of the training part alone") {
  const Fixture f;
  std::map<std::string, std::int64_t> counts;
  for (int d : f.task.split().train) {
    for (const std::string& w : words_of(f.task.corpus().documents[static_cast<std::size_t>(d)].text)) ++counts[w];
  }
  CHECK(f.task.vocabulary().size() == std::ssize(counts) + 2);  // no word of the made corpus is rare
  for (const auto& [word, n] : counts) CHECK(f.task.vocabulary().count(f.task.vocabulary().id(word)) == n);
}

TEST_CASE("a text is encoded as a document is, cut to the longest, and is never empty") {
  const Fixture f;
  const Vocabulary& v = f.task.vocabulary();
  CHECK(f.task.encode("The soup, zebra: NOT good!") ==
        std::vector<std::int32_t>{v.id("the"), v.id("soup"), 1, v.id("not"), v.id("good"), v.id("!")});
  CHECK(f.task.encode(" -- ") == std::vector<std::int32_t>{Vocabulary::unknown});
  std::string repeated;
  for (int i = 0; i < 60; ++i) repeated += "tea ";
  CHECK(f.task.encode(repeated) == std::vector<std::int32_t>(40, v.id("tea")));
  for (int d : f.task.split().test) {
    REQUIRE(
        std::ranges::equal(f.task.encode(f.task.corpus().documents[static_cast<std::size_t>(d)].text), f.task.ids(d)));
  }
}

TEST_CASE("what cutting and the vocabulary lose is counted") {
  std::string tsv = "label\tpart\ttext\n";
  for (int i = 0; i < 20; ++i) tsv += std::string(i % 2 ? "a" : "b") + "\ttrain\tone two t" + std::to_string(i) + "\n";
  tsv += "a\ttest\tone new\nb\ttest\t...\na\ttest\tone two one two one\n";
  const CorpusFile file(tsv);
  const TextTask task({.corpus = file.path(), .max_length = 4, .bucket = 4}, seeds);
  const TextTask::Losses l = task.losses(task.split().test);
  CHECK(l.documents == 3);
  CHECK(l.cut == 1);
  CHECK(l.words == 7);    // 2 + 1 + 4
  CHECK(l.unknown == 2);  // "new", and the text without words
  CHECK(l.unknown_share() == Approx(2.0 / 7));
  CHECK(task.buckets() == 1);
}

TEST_CASE("documents that are equal as far as they are read are never in two parts") {
  std::string tsv = "label\ttext\n";
  for (int i = 0; i < 200; ++i) {
    const int start = i / 4;  // four texts of each beginning
    tsv += fmt::format("{}\ts{} one two three {}\n", start % 2 ? "a" : "b", start, "tail" + std::to_string(i));
  }
  const CorpusFile file(tsv);
  const TextTask task({.corpus = file.path(), .max_length = 4, .bucket = 4}, seeds);
  CHECK(task.split().report.duplicates == 150);
  std::map<std::int32_t, std::set<const void*>> parts;
  for (const std::vector<int>* part : {&task.split().train, &task.split().validation, &task.split().test}) {
    for (int d : *part) parts[d / 4].insert(part);
  }
  for (const auto& [start, in] : parts) CHECK(in.size() == 1);
  CHECK(TextTask({.corpus = file.path(), .max_length = 5, .bucket = 4}, seeds).split().report.duplicates == 0);

  // A model that is measured at another length keeps the split that it was trained with.
  const TextTask longer({.corpus = file.path(), .max_length = 5, .bucket = 4, .compare_words = 4}, seeds);
  CHECK(longer.split().test == task.split().test);
}

TEST_CASE("a corpus that is elsewhere now is the same corpus, and keeps its name") {
  const CorpusFile file;
  const TextTask task({.corpus = "was/here.tsv", .read_at = file.path()}, seeds);
  CHECK(task.corpus().provenance.name == "was/here.tsv");
  CHECK(task.corpus().provenance.source == file.path());
}

std::string refusal(const std::string& yaml) {
  try {
    TextConfig config;
    read_config_text("task.yaml", yaml, {}, [&config](Fields& f) { config.fields(f); });
  } catch (const Error& error) {
    const std::string text = error.what();
    return text.substr(0, text.find('\n'));
  }
  return "";
}

TEST_CASE("a text config that cannot be is refused with what can") {
  CHECK(refusal("{validation_share: 0.5, test_share: 0.5}") ==
        "task.yaml:1:20: error: validation_share: validation_share 0.5 and test_share 0.5 leave nothing to train on: "
        "their sum must be less than 1");
  CHECK(refusal("{max_length: 16}") == "task.yaml: error: bucket: bucket 32 is more than max_length 16");
  CHECK(refusal("min_count: 0") == "task.yaml:1:12: error: min_count: must be >= 1, got 0");
  CHECK(refusal("{corpus: texts.tsv, max_length: 32}") == "");
  CHECK_THROWS_WITH(TextTask({.max_length = 16}, seeds), "bucket: bucket 32 is more than max_length 16");
}

}  // namespace
}  // namespace saltus
