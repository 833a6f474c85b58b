#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/lama/model.h"

namespace saltus::lama {

/// How many numbers each part of a model learns, by formula: with d = d_model, m heads, rank k
///   embedding     vocabulary d_embed
///   encoder       gru: 2 [3 (h d_embed + h^2) + 6 h];  positions: d_embed d + d
///   word_mlp      d^2 + d where there is one, han's too
///   attention     lama_ctx: 2 d m k;  lama: 2 d m k + d;  bilinear: m d^2;  han: d;  structured: d d_a + d_a m;
///                 transformer: 4 d^2 + 4 d, for any number of heads
///   feed_forward  transformer, with its two norms: 2 d d_ff + d_ff + d + 4 d, d_ff = 4 d
///   classifier    r d n + n + n classes + classes, for r pooled vectors and n = classifier_width
struct ParameterCounts {
  std::int64_t embedding = 0, encoder = 0, word_mlp = 0, attention = 0, feed_forward = 0, classifier = 0;
  std::int64_t total() const { return embedding + encoder + word_mlp + attention + feed_forward + classifier; }
  /// In the order of part_names().
  std::vector<double> values() const;
};

ParameterCounts parameter_counts(const ModelConfig& model, std::int64_t vocabulary, std::int64_t classes);

/// The parts, and "total" after them.
std::vector<std::string> part_names();

}  // namespace saltus::lama
