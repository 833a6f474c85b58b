#include "experiments/lama/parameters.h"

namespace saltus::lama {
namespace {

std::int64_t attention_of(const ModelConfig& c) {
  const std::int64_t d = c.d_model(), m = c.n_heads;
  if (c.pools_as("lama")) return 2 * d * m * c.rank + d;
  if (c.pools_as("lama_ctx")) return 2 * d * m * c.rank;
  if (c.pools_as("bilinear")) return m * d * d;
  if (c.pools_as("han")) return d;
  if (c.pools_as("structured")) return d * c.d_attention + c.d_attention * m;
  if (c.pools_as("transformer")) return 4 * d * d + 4 * d;
  return 0;
}

}  // namespace

std::vector<std::string> part_names() {
  return {"embedding", "encoder", "word_mlp", "attention", "feed_forward", "classifier", "total"};
}

std::vector<double> ParameterCounts::values() const {
  std::vector<double> all;
  for (std::int64_t n : {embedding, encoder, word_mlp, attention, feed_forward, classifier, total()}) {
    all.push_back(static_cast<double>(n));
  }
  return all;
}

ParameterCounts parameter_counts(const ModelConfig& c, std::int64_t vocabulary, std::int64_t classes) {
  const std::int64_t d = c.d_model(), h = c.d_hidden, E = c.d_embed, n = c.classifier_width, d_ff = 4 * d;
  return {.embedding = vocabulary * E,
          .encoder = c.encoder == "gru" ? 2 * (3 * (h * E + h * h) + 6 * h) : E * d + d,
          .word_mlp = c.has_word_mlp() ? d * d + d : 0,
          .attention = attention_of(c),
          .feed_forward = c.pools_as("transformer") ? 2 * d * d_ff + d_ff + d + 4 * d : 0,
          .classifier = c.pooled_vectors() * d * n + n + n * classes + classes};
}

}  // namespace saltus::lama
