#pragma once
#include <cstdint>
#include <string>

#include "config/fields.h"
#include "nn/params.h"
#include "ops/ops.h"
#include "train/system.h"

namespace saltus::lama {

/// A classifier of texts: embedded words, an encoder that lets each word see the others, a pooling that makes one or
/// several vectors of a text of any length, and a classifier of these.
struct ModelConfig {
  std::int64_t d_embed = 64;  // E
  double embedding_std = 0.1;
  std::string encoder = "gru";
  std::int64_t d_hidden = 48;  // h, of each direction
  std::string pooling = "lama_ctx";
  std::int64_t n_heads = 8;  // m
  std::int64_t rank = 1;     // k, of a head's factors
  bool word_mlp = true;
  double temperature = 1;
  std::int64_t d_attention = 64;  // d_a
  double penalty = 1;
  std::int64_t classifier_width = 64;
  double dropout = 0.4;

  void fields(Fields& f);

  std::int64_t d_model() const { return 2 * d_hidden; }  // d, of an encoded word
  bool pools_as(std::string_view kind) const { return pooling == kind; }
  bool has_word_mlp() const;            // parameters word_mlp.*
  bool has_attention() const;           // the tap blocks.0.attn.pattern
  std::int64_t pattern_heads() const;   // its heads; 0 without one
  std::int64_t pooled_vectors() const;  // that the classifier sees, each d_model wide
};

/// The sizes that the data gives a model.
struct TextShape {
  std::int64_t vocabulary;  // numbers that a word can have
  std::int64_t classes;
  std::int64_t length;  // words of the longest text, at which all arrays end
};

/// Records the model for `batch` texts and returns its mean loss, with e_t = W_E[token t]:
///   H = encoder(e)  [batch, length, d_model],  S = pooling(H)  [batch, head, d_model]
///   logits = relu(flat(S) W_1 + b_1) W_2 + b_2
///   loss = mean over texts of -log softmax(logits)[label], and the penalty of `structured` (pooling.h)
/// encoder `gru`: h_t is a forward GRU's state after word t beside a backward one's, which starts at the text's own
/// last word. `positions`: h_t = e_t W + b + the sinusoids of t (Vaswani et al. 2017, section 3.5), for attention that
/// has to make do without a GRU. Neither lets padding touch a word.
///
/// Dropout, in training alone, on the embeddings and before both layers of the classifier.
///
/// Inputs: tokens i32, mask f32 (1 at a text's words, which come first, at least one; then 0), each [batch, length];
/// label i32 [batch]; and, where something is dropped, dropout_key i32 [batch].
/// Taps: logits [batch, class], embedding S [batch, head, d_model], and blocks.0.attn.pattern [head, batch, query, key]
/// where there is attention: the weights of the words, of one query, or in a transformer of every word's.
Var record(Graph& graph, ParamStore& params, const ModelConfig& model, const TextShape& shape, std::int64_t batch,
           Purpose purpose);

}  // namespace saltus::lama
