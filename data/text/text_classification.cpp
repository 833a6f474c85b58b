#include "data/text/text_classification.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "data/text/tokeniser.h"

namespace saltus {
namespace {

/// The independent draws: of a step's bucket, of a sample's document and dropout, of the order of a test set.
enum Lane : std::uint32_t { lane_bucket, lane_document, lane_key, lane_order };

std::uint32_t step_counter(std::int64_t step) {
  check(std::in_range<std::uint32_t>(step), "step {} is outside 0..2^32-1, which the random numbers are keyed by",
        step);
  return static_cast<std::uint32_t>(step);
}

std::vector<int> shuffled(std::vector<int> documents, const Rng& rng, std::uint32_t set) {
  RngCursor cursor(rng, set, 0, lane_order);
  for (std::size_t n = documents.size(); n > 1; --n) {
    std::swap(documents[n - 1], documents[cursor.below(static_cast<std::uint32_t>(n))]);
  }
  return documents;
}

/// The first n words of each document.
std::vector<std::vector<std::string>> first_of_each(std::vector<std::vector<std::string>> words, std::int64_t n) {
  for (std::vector<std::string>& w : words) w.resize(std::min(w.size(), static_cast<std::size_t>(n)));
  return words;
}

/// Calls require(ok, key, message) for every rule between the keys.
template <class Require>
void check_rules(const TextConfig& c, const Require& require) {
  require(c.validation_share + c.test_share < 1, "validation_share",
          fmt::format("validation_share {} and test_share {} leave nothing to train on: their sum must be less than 1",
                      c.validation_share, c.test_share));
  require(c.bucket <= c.max_length, "bucket",
          fmt::format("bucket {} is more than max_length {}", c.bucket, c.max_length));
}

}  // namespace

void TextConfig::fields(Fields& f) {
  f.field("corpus", corpus, "a fetched corpus (saltus data), or the path of a .tsv, a .csv or a folder of texts");
  f.field("max_length", max_length, "words of a text that are read; what follows is cut off", between(1, 65536));
  f.field("min_count", min_count, "a word must occur so often in the training part to be known", at_least(1));
  f.field("max_words", max_words, "most words that are known, the most frequent first", between(1, 16777216));
  f.field("validation_share", validation_share,
          "documents to validate on, as a share of those without a fixed test part", between(0, 1));
  f.field("test_share", test_share, "documents to test on; not used where the corpus has a test part of its own",
          between(0, 1));
  f.field("bucket", bucket, "training batches are of texts of like length: up to this many words, twice as many, ...",
          between(1, 65536));
  check_rules(*this, [&f](bool ok, const char* key, const std::string& message) { f.require(ok, key, message); });
}

TextClassification::TextClassification(const TextConfig& config, const Seeds& seeds)
    : config_(config), data_rng_(seeds.data, Stream::data) {
  check_rules(config, [](bool ok, const char* key, const std::string& message) { check(ok, "{}: {}", key, message); });
  corpus_ = load_corpus(config.read_at.empty() ? config.corpus : config.read_at);
  corpus_.provenance.name = config.corpus;
  std::vector<std::vector<std::string>> words(corpus_.documents.size());
  std::ranges::transform(corpus_.documents, words.begin(), [](const Document& d) { return words_of(d.text); });
  split_ = split_documents(corpus_,
                           first_of_each(words, config.compare_words > 0 ? config.compare_words : config.max_length),
                           {.validation = config.validation_share, .test = config.test_share}, seeds.task);
  index_words(words);
  make_buckets();

  const Rng eval_rng(seeds.eval, Stream::eval);
  sets_ = {shuffled(split_.validation, eval_rng, validation_set), shuffled(split_.test, eval_rng, test_set),
           shuffled(split_.train, eval_rng, train_set)};
  sets_[train_set].resize(std::min(sets_[train_set].size(), sets_[validation_set].size()));
}

void TextClassification::index_words(std::span<const std::vector<std::string>> words) {
  vocabulary_.emplace(words, split_.train, config_.min_count, config_.max_words);

  begin_ = {0};
  for (const std::vector<std::string>& of_document : words) {
    n_words_.push_back(std::ssize(of_document));
    const auto kept = static_cast<std::size_t>(std::min(n_words_.back(), config_.max_length));
    for (std::size_t i = 0; i < kept; ++i) ids_.push_back(vocabulary_->id(of_document[i]));
    if (kept == 0) ids_.push_back(Vocabulary::unknown);
    begin_.push_back(ids_.size());
  }
}

void TextClassification::make_buckets() {
  for (std::int64_t length = config_.bucket; length < config_.max_length; length += config_.bucket) {
    buckets_.push_back({length, {}});
  }
  buckets_.push_back({config_.max_length, {}});
  for (int d : split_.train) {
    buckets_[static_cast<std::size_t>((std::ssize(ids(d)) - 1) / config_.bucket)].documents.push_back(d);
  }
  std::erase_if(buckets_, [this](const Bucket& b) { return b.documents.empty() && b.length < config_.max_length; });
}

std::vector<SampleField> TextClassification::bucket_fields(int bucket) const {
  const std::int64_t length = length_of_bucket(bucket);
  return {{"tokens", {length}, DType::i32, {"position"}},
          {"mask", {length}, DType::f32, {"position"}},
          {"label", {}, DType::i32, {}},
          {"dropout_key", {}, DType::i32, {}}};
}

int TextClassification::train_bucket(std::int64_t step) const {
  RngCursor cursor(data_rng_, 0, step_counter(step), lane_bucket);
  auto left = static_cast<std::int64_t>(cursor.below(static_cast<std::uint32_t>(split_.train.size())));
  int bucket = 0;
  while (left >= documents_in_bucket(bucket)) left -= documents_in_bucket(bucket++);
  return bucket;
}

void TextClassification::write(int document, std::int64_t length, std::int32_t key, const Batch& batch, int row) const {
  const std::span<const std::int32_t> words = ids(document);
  std::int32_t* tokens = batch.i32(tokens_field) + row * length;
  float* mask = batch.f32(mask_field) + row * length;
  std::ranges::copy(words, tokens);
  std::fill(tokens + words.size(), tokens + length, Vocabulary::padding);
  std::fill(mask, mask + words.size(), 1.0F);
  std::fill(mask + words.size(), mask + length, 0.0F);
  batch.i32(label_field)[row] = label(document);
  batch.i32(key_field)[row] = key;
}

void TextClassification::sample_train(std::int64_t step, int first, const Batch& batch) const {
  const std::uint32_t counter = step_counter(step);
  const Bucket& bucket = checked(train_bucket(step));
  for (int row = 0; row < batch.size(); ++row) {
    const auto sample = static_cast<std::uint32_t>(first + row);
    RngCursor cursor(data_rng_, sample, counter, lane_document);
    const int document = bucket.documents[cursor.below(static_cast<std::uint32_t>(bucket.documents.size()))];
    const auto key = static_cast<std::int32_t>(data_rng_.block(0, sample, counter, lane_key).word[0]);
    write(document, bucket.length, key, batch, row);
  }
}

void TextClassification::sample_eval(int set, int first, const Batch& batch) const {
  const std::span<const int> of_set = documents(set);
  check(first >= 0 && first + std::int64_t{batch.size()} <= std::ssize(of_set),
        "samples {}..{} are outside the {} of test set '{}'", first, first + std::int64_t{batch.size()} - 1,
        of_set.size(), eval_sets()[static_cast<std::size_t>(set)]);
  for (int row = 0; row < batch.size(); ++row) {
    write(of_set[static_cast<std::size_t>(first + row)], config_.max_length, 0, batch, row);
  }
}

std::span<const int> TextClassification::documents(int set) const {
  check(set >= 0 && set < std::ssize(sets_), "test set {} is outside 0..{}", set, std::ssize(sets_) - 1);
  return sets_[static_cast<std::size_t>(set)];
}

std::span<const std::int32_t> TextClassification::ids(int document) const {
  check(document >= 0 && document < std::ssize(n_words_), "document {} is outside 0..{}", document,
        std::ssize(n_words_) - 1);
  const auto d = static_cast<std::size_t>(document);
  return std::span(ids_).subspan(begin_[d], begin_[d + 1] - begin_[d]);
}

std::vector<std::int32_t> TextClassification::encode(std::string_view text) const {
  std::vector<std::int32_t> ids = vocabulary_->ids(words_of(text));
  ids.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(std::ssize(ids), 1, config_.max_length)),
             Vocabulary::unknown);
  return ids;
}

const TextClassification::Bucket& TextClassification::checked(int bucket) const {
  check(bucket >= 0 && bucket < buckets(), "bucket {} is outside 0..{}", bucket, buckets() - 1);
  return buckets_[static_cast<std::size_t>(bucket)];
}

std::int64_t TextClassification::length_of_bucket(int bucket) const { return checked(bucket).length; }

std::int64_t TextClassification::documents_in_bucket(int bucket) const { return std::ssize(checked(bucket).documents); }

TextClassification::Losses TextClassification::losses(std::span<const int> documents) const {
  Losses sum;
  for (int d : documents) {
    const std::span<const std::int32_t> words = ids(d);
    sum.words += std::ssize(words);
    sum.unknown += std::ranges::count(words, Vocabulary::unknown);
    sum.cut += n_words_[static_cast<std::size_t>(d)] > config_.max_length;
    ++sum.documents;
  }
  return sum;
}

}  // namespace saltus
