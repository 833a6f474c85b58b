#include "experiments/lama/probes.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "experiments/lama/measures.h"

namespace saltus::lama {
namespace {

constexpr const char* pattern_tap = "blocks.0.attn.pattern";

/// The words of each text: mask [batch, length] is 1 at the front.
std::int64_t words_of_text(const float* mask, std::int64_t length) {
  return std::find(mask, mask + length, 0.0F) - mask;
}

std::int64_t best_of(const float* logits, std::int64_t classes) {
  return std::max_element(logits, logits + classes) - logits;
}

/// Mean length of the rows of S [row, d].
double mean_norm(const float* S, std::int64_t rows, std::int64_t d) {
  double total = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    double squares = 0;
    for (std::int64_t j = 0; j < d; ++j) squares += static_cast<double>(S[i * d + j]) * S[i * d + j];
    total += std::sqrt(squares);
  }
  return total / static_cast<double>(rows);
}

}  // namespace

ReadingProbe::ReadingProbe(const ModelConfig& model, std::int64_t max_length)
    : heads_(model.pattern_heads()), length_(max_length), penalty_(model.pools_as("structured") ? model.penalty : 0) {
  bins_ = {8};
  while (bins_.back() < static_cast<double>(max_length)) bins_.push_back(2 * bins_.back());
  const Dim words{.name = "words", .long_name = "words of a text, up to this many", .values = bins_};
  measures_ = {{"texts_by_length", "share of texts of so many words", {words}},
               {"correct_by_length",
                "share of texts of so many words and classified right; over texts_by_length: accuracy",
                {words}},
               {"embedding_norm", "length of a pooled vector, mean over a text's"}};
  if (penalty_ > 0) measures_.push_back({"penalty", "part of the loss that is trained: its weight times |A A' - I|^2"});
  if (heads_ == 0) return;
  const Dim head{.name = "head", .size = heads_};
  measures_.push_back({"attention_entropy", "entropy of a head's weights over log(words): 1 for uniform ones", {head}});
  measures_.push_back(
      {"attention_peak", "largest weight of a head times the number of words: 1 for uniform ones", {head}});
  if (heads_ == 1) return;
  measures_.push_back({"head_redundancy", "|A A' - I| (Frobenius) of the weights A [head, word]"});
  measures_.push_back({"head_similarity", "mean cosine between the weights of two heads"});
}

std::vector<std::string> ReadingProbe::taps() const {
  std::vector<std::string> names = {"logits", "embedding"};
  if (heads_ > 0) names.emplace_back(pattern_tap);
  return names;
}

std::span<double> ReadingProbe::of_measure(const char* name, std::span<double> sums) const {
  std::size_t from = 0;
  for (const Measure& m : measures_) {
    if (m.name == name) return sums.subspan(from, static_cast<std::size_t>(m.size()));
    from += static_cast<std::size_t>(m.size());
  }
  throw Error(fmt::format("no measure {}", name));
}

void ReadingProbe::add_attention(const TapValue& pattern, std::int64_t text, std::int64_t words,
                                 std::span<double> sums) const {
  const std::int64_t batch = pattern.shape[1], queries = pattern.shape[2], keys = pattern.shape[3];
  const std::int64_t asking = queries == 1 ? 1 : words;
  const std::span<double> entropy = of_measure("attention_entropy", sums), top = of_measure("attention_peak", sums);
  for (std::int64_t q = 0; q < asking; ++q) {
    const measures::Rows rows{.weights = pattern.data + (text * queries + q) * keys,
                              .rows = heads_,
                              .words = words,
                              .stride = batch * queries * keys};
    const double weight = 1 / static_cast<double>(asking);
    for (std::int64_t h = 0; h < heads_; ++h) {
      entropy[static_cast<std::size_t>(h)] += weight * measures::relative_entropy(rows.row(h), words);
      top[static_cast<std::size_t>(h)] += weight * measures::peak(rows.row(h), words);
    }
    if (penalty_ > 0) of_measure("penalty", sums)[0] += weight * penalty_ * std::pow(measures::redundancy(rows), 2);
    if (heads_ == 1) continue;
    of_measure("head_redundancy", sums)[0] += weight * measures::redundancy(rows);
    of_measure("head_similarity", sums)[0] += weight * measures::similarity(rows);
  }
}

void ReadingProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                              std::span<double> sums) const {
  const TapValue logits = tap("logits"), S = tap("embedding");
  const std::int64_t classes = logits.shape[-1], rows = S.shape[1], d = S.shape[2];
  const std::int32_t* labels = batch.i32(TextClassification::label_field);
  const std::span<double> texts = of_measure("texts_by_length", sums), right = of_measure("correct_by_length", sums);
  for (int b = 0; b < batch.size(); ++b) {
    const std::int64_t words = words_of_text(batch.f32(TextClassification::mask_field) + b * length_, length_);
    const auto bin = static_cast<std::size_t>(std::lower_bound(bins_.begin(), bins_.end(), static_cast<double>(words)) -
                                              bins_.begin());
    texts[bin] += 1;
    if (best_of(logits.data + b * classes, classes) == labels[b]) right[bin] += 1;
    of_measure("embedding_norm", sums)[0] += mean_norm(S.data + b * rows * d, rows, d);
    if (heads_ > 0) add_attention(tap(pattern_tap), b, words, sums);
  }
}

std::vector<Measure> NaiveBayesProbe::measures() const {
  return {{"naive_bayes_accuracy", "share of texts that Naive Bayes on the training part classifies right"}};
}

void NaiveBayesProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>&,
                                 std::span<double> sums) const {
  const std::int32_t* labels = batch.i32(TextClassification::label_field);
  for (int b = 0; b < batch.size(); ++b) {
    const std::int32_t* tokens = batch.i32(TextClassification::tokens_field) + b * length_;
    const std::int64_t words = words_of_text(batch.f32(TextClassification::mask_field) + b * length_, length_);
    sums[0] += model_.predict({tokens, static_cast<std::size_t>(words)}) == labels[b];
  }
}

}  // namespace saltus::lama
