#include "experiments/lama/work.h"

#include <cmath>
#include <set>

#include "core/check.h"

namespace saltus::lama {
namespace {

/// A text's scores and what they need of words: with words, their u = tanh(h W + b); of lama and lama_ctx the products
/// with Q and P, of which the context's is one a text, or one a step; tanh and length of a word's scores 4 a head, a
/// temperature none.
double score_flops(const ModelConfig& m, double words) {
  const auto d = static_cast<double>(m.d_model()), heads = static_cast<double>(m.pattern_heads()),
             factors = heads * static_cast<double>(m.rank);
  double flops = m.has_word_mlp() ? trained_product_flops(words, d, d) + 2 * 2 * words * d : 0;
  if (m.pools_as("han")) return flops + trained_product_flops(words, d, 1);
  if (m.pools_as("structured")) {
    const auto hidden = static_cast<double>(m.d_attention);
    return flops + trained_product_flops(words, d, hidden) + trained_product_flops(words, hidden, heads) +
           2 * words * hidden;
  }
  flops += trained_product_flops(words, d, factors) + 3 * words * factors + 8 * words * heads;
  return m.pools_as("lama_ctx") ? flops + trained_product_flops(1, d, factors) + 2 * words * d : flops;
}

/// What a batch's embeddings go through before words see each other: a product with the encoder's input weights [E,
/// width], once a word of the vocabulary, whose cotangents are summed up over its uses; or once a use where units of
/// the embeddings are dropped out, whose cotangents are then summed up.
double input_flops(const ModelConfig& m, const BatchWords& in_batch, double width) {
  const auto E = static_cast<double>(m.d_embed);
  if (m.dropout > 0) return trained_product_flops(in_batch.all, E, width) + 3 * in_batch.all * E;
  return trained_product_flops(in_batch.distinct, E, width) + (in_batch.all - in_batch.distinct) * width;
}

}  // namespace

bool has_counted_work(const ModelConfig& m) { return !m.pools_as("bilinear") && !m.pools_as("transformer"); }

BatchWords mean_words(const TextClassification& task, int bucket, std::int64_t batch) {
  const std::int64_t longest = task.length_of_bucket(bucket),
                     shortest = bucket == 0 ? 0 : task.length_of_bucket(bucket - 1);
  double words = 0, texts = 0;
  std::vector<double> texts_with(static_cast<std::size_t>(task.vocabulary().size()));  // by word
  for (const int document : task.split().train) {
    const auto ids = task.ids(document);
    if (std::ssize(ids) <= shortest || std::ssize(ids) > longest) continue;
    words += static_cast<double>(ids.size());
    ++texts;
    for (const std::int32_t id : std::set<std::int32_t>(ids.begin(), ids.end()))
      ++texts_with[static_cast<std::size_t>(id)];
  }
  check(texts > 0, "there are no training texts in bucket {}", bucket);
  const auto draws = static_cast<double>(batch);
  BatchWords mean{.all = draws * words / texts, .distinct = 0};
  for (const double n : texts_with) mean.distinct += 1 - std::pow(1 - n / texts, draws);  // with replacement
  return mean;
}

/// A word and direction of the GRU: three gates of its input (input_flops) and, but for the first word, of the state,
/// each product with two gradients; 13 operations a unit forward and again backward for biases, gates and the new
/// state. Embeddings are a look-up. Attention's sums over words are products with two gradients, its softmax takes
/// seven operations a weight.
Work work(const ModelConfig& m, const BatchWords& in_batch, std::int64_t n_classes, std::int64_t batch) {
  const auto B = static_cast<double>(batch), h = static_cast<double>(m.d_hidden), d = 2 * h, words = in_batch.all / B;
  const auto n = static_cast<double>(m.classifier_width), classes = static_cast<double>(n_classes);
  const auto pooled = static_cast<double>(m.pooled_vectors()) * d, heads = static_cast<double>(m.pattern_heads());
  Work text;
  const bool gru = m.encoder == "gru";
  if (gru) {
    text.flops += 2 * (trained_product_flops(words - 1, h, 3 * h) + 26 * words * h);
    text.kept_floats += 2 * 5 * words * h;
  } else {
    text.flops += 3 * words * d;
    text.kept_floats += words * d;
  }
  if (m.has_attention()) {
    text.flops += score_flops(m, words) + trained_product_flops(heads, words, d) + 7 * words * heads;
    text.kept_floats += words * (2 * heads + (m.has_word_mlp() ? d : 0));
  } else {
    text.flops += 2 * words * d;  // a sum or a comparison, and its way back
  }
  text.flops +=
      trained_product_flops(1, pooled, n) + trained_product_flops(1, n, classes) + 4 * n + 2 * classes + 3 * classes;
  text.kept_floats += pooled + n + classes;
  const double inputs = input_flops(m, in_batch, gru ? 6 * h : d);
  return {.flops = inputs + B * text.flops, .example_floats = B * (words + 1), .kept_floats = B * text.kept_floats};
}

}  // namespace saltus::lama
