#include "experiments/lama/model.h"

#include <fmt/format.h>

#include <cmath>

#include "experiments/lama/encoder.h"
#include "experiments/lama/pooling.h"

namespace saltus::lama {
namespace {

/// Places of dropout in the model, which keep their masks apart.
enum Site : int { site_embedding, site_pooled, site_hidden };

struct Recorder {
  Graph& graph;
  ParamStore& params;
  const ModelConfig& model;
  double rate;  // of dropout
  Var key;      // [batch], or empty where nothing is dropped

  Var dropped(Var x, Site site) const { return rate > 0 ? dropout(x, key, rate, site) : x; }

  /// x W + b [batch, out], as PyTorch's nn.Linear begins.
  Var linear(const std::string& name, Var x, std::int64_t out, const char* dim_in, const char* dim_out) const {
    const std::int64_t in = x.shape()[-1];
    const Init init = Init::uniform(1 / std::sqrt(static_cast<double>(in)));
    const Var W = params.declare(graph, "classifier.W_" + name, {in, out}, {dim_in, dim_out}, init);
    const Var b = params.declare(graph, "classifier.b_" + name, {out}, {dim_out}, init);
    return matmul(x, W) + b;
  }

  /// S [batch, head, d_model] -> [batch, class]
  Var classified(Var S, std::int64_t classes) const {
    const Var flat = reshape(S, {S.shape()[0], S.shape()[1] * S.shape()[2]});  // [batch, head d_model]
    const Var hidden = relu(
        linear("1", dropped(flat, site_pooled), model.classifier_width, "pooled", "classifier_unit"));  // [batch, unit]
    return linear("2", dropped(hidden, site_hidden), classes, "classifier_unit", "class");
  }
};

bool attends_from_words(const ModelConfig& m) {
  return m.pools_as("lama") || m.pools_as("lama_ctx") || m.pools_as("bilinear");
}

}  // namespace

bool ModelConfig::has_word_mlp() const { return pools_as("han") || (word_mlp && attends_from_words(*this)); }

bool ModelConfig::has_attention() const { return !pools_as("mean") && !pools_as("max"); }

std::int64_t ModelConfig::pattern_heads() const {
  if (!has_attention()) return 0;
  return pools_as("han") ? 1 : n_heads;
}

std::int64_t ModelConfig::pooled_vectors() const {
  return has_attention() && !pools_as("transformer") ? pattern_heads() : 1;
}

void ModelConfig::fields(Fields& f) {
  f.field("d_embed", d_embed, "width of a word's embedding", at_least(1));
  f.field("embedding_std", embedding_std,
          "standard deviation of the numbers that embeddings begin with; PyTorch's is 1", above(0));
  f.choice(
      "encoder", encoder, {"gru", "positions"},
      "gru: a GRU in each direction; positions: a linear layer and sinusoids, so that words do not see each other");
  f.field("d_hidden", d_hidden, "half of an encoded word's width d; units of each direction of gru", at_least(1));
  f.choice(
      "pooling", pooling, {"lama", "lama_ctx", "mean", "max", "han", "structured", "transformer", "bilinear"},
      "lama: low-rank attention of one learned context vector; lama_ctx: of the text's mean; bilinear: lama_ctx with "
      "a full d x d matrix a head; han: one head of hierarchical attention networks; structured: the structured "
      "self-attentive embedding; transformer: an encoder layer, averaged over words; mean, max: no attention");
  f.field("n_heads", n_heads, "heads, of every pooling but mean, max and han; a transformer's share d between them",
          between(1, 1024));
  f.field("rank", rank, "columns of each factor of a head's bilinear form, of lama and lama_ctx", at_least(1));
  f.field("word_mlp", word_mlp,
          "lama, lama_ctx and bilinear attend by tanh(h W + b) of the encoded words h; false: by h. han always does");
  f.field("temperature", temperature,
          "divides the scores of lama, lama_ctx and bilinear, which lie between -1 and 1: with 1, as in the paper, two "
          "words' weights cannot differ by more than 7.4 times",
          above(0));
  f.field("d_attention", d_attention, "hidden units of structured's attention", at_least(1));
  f.field("penalty", penalty, "structured: times |A A' - I|^2 in the loss, which keeps its heads apart", at_least(0));
  f.field("classifier_width", classifier_width, "hidden units of the classifier", at_least(1));
  f.field("dropout", dropout, "share of units dropped in training, of the embeddings and before both classifier layers",
          between(0, 0.99));
  f.require(!pools_as("transformer") || d_model() % n_heads == 0, "n_heads",
            fmt::format("n_heads ({}) must divide the width of an encoded word ({} = 2 d_hidden) of a transformer",
                        n_heads, d_model()));
}

Var record(Graph& graph, ParamStore& params, const ModelConfig& model, const TextShape& shape, std::int64_t batch,
           Purpose purpose) {
  const Var tokens = graph.input("tokens", {batch, shape.length}, DType::i32);
  const Var mask = graph.input("mask", {batch, shape.length});
  const Var label = graph.input("label", {batch}, DType::i32);
  const double rate = purpose == Purpose::train ? model.dropout : 0;
  const Var key = rate > 0 ? graph.input("dropout_key", {batch}, DType::i32) : Var{};
  const Recorder r{graph, params, model, rate, key};

  const Var W_E = params.declare(graph, "embed.W_E", {shape.vocabulary, model.d_embed}, {"word", "d_embed"},
                                 Init::normal(model.embedding_std));  // [word, d_embed]
  const Var H = rate > 0 ? encoded(graph, params, model, r.dropped(take(W_E, tokens), site_embedding), mask)
                         : encoded_words(graph, params, model, W_E, tokens, mask);  // [batch, length, d_model]
  const Pooled pooled = pool(graph, params, model, H, mask);
  graph.tap("embedding", pooled.S);
  if (pooled.pattern) graph.tap("blocks.0.attn.pattern", pooled.pattern);
  const Var logits = r.classified(pooled.S, shape.classes);  // [batch, class]
  graph.tap("logits", logits);
  const Var loss = mean_all(softmax_cross_entropy(logits, label));  // []
  return pooled.penalty ? loss + model.penalty * pooled.penalty : loss;
}

}  // namespace saltus::lama
