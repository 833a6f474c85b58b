#include "experiments/lama/pooling.h"

#include <cmath>

#include "experiments/lama/transformer.h"

namespace saltus::lama {
namespace {

struct Recorder {
  Graph& graph;
  ParamStore& params;
  const ModelConfig& model;
  Var H, mask;  // [batch, length, d_model], [batch, length]
  std::int64_t batch = H.shape()[0], length = H.shape()[1], d = H.shape()[2], heads = model.pattern_heads();

  Var declare(const std::string& name, Shape shape, std::vector<std::string> dims, double bound) const {
    return params.declare(graph, name, std::move(shape), std::move(dims), Init::uniform(bound));
  }
  static double bound_for(std::int64_t inputs) { return 1 / std::sqrt(static_cast<double>(inputs)); }

  /// u [batch, length, d_model]
  Var words() const {
    if (!model.has_word_mlp()) return H;
    const Var W = declare("word_mlp.W", {d, d}, {"d_model", "word_unit"}, bound_for(d));
    const Var b = declare("word_mlp.b", {d}, {"word_unit"}, bound_for(d));  // [word_unit]
    return tanh(matmul(H, W) + b);
  }

  /// c of lama, [1, d_model]
  Var learned_context() const {
    const double xavier = std::sqrt(6.0 / static_cast<double>(d + 1));
    return reshape(declare("blocks.0.attn.context", {d}, {"d_model"}, xavier), {1, d});
  }

  /// z [batch, length, head] of lama and lama_ctx
  Var low_rank_scores() const {
    const std::int64_t columns = heads * model.rank;
    const double bound =
        bound_for(columns);  // Kaiming's law on arrays stored [d, columns], as the known program has it
    const Var P = declare("blocks.0.attn.P", {d, columns}, {"d_model", "factor"}, bound);
    const Var Q = declare("blocks.0.attn.Q", {d, columns}, {"word_unit", "factor"}, bound);
    const Var context = model.pools_as("lama") ? learned_context() : mean_of_words(H, mask);  // [batch or 1, d_model]
    const Var cP = matmul(context, P);                                                        // [batch or 1, factor]
    const Var z = matmul(words(), Q) * reshape(cP, {context.shape()[0], 1, columns});         // [batch, length, factor]
    if (model.rank == 1) return z;
    return sum(reshape(z, {batch, length, heads, model.rank}), 3);
  }

  /// z [batch, length, head] of bilinear
  Var full_scores() const {
    const double bound = 1 / (std::sqrt(3.0) * static_cast<double>(heads));  // scores begin with lama's variance
    const Var W = declare("blocks.0.attn.W", {heads, d, d}, {"head", "d_model", "word_unit"}, bound);
    const Var cW = permute(matmul(mean_of_words(H, mask), W), {1, 0, 2});  // [batch, head, word_unit]
    return matmul(words(), cW, false, true);
  }

  /// l2norm(tanh z) / temperature, [batch, length, head]
  Var bounded(Var z) const {
    Var f = tanh(z);  // [batch, length, head]
    if (heads > 1) f = f / sqrt(sum(f * f, 2, true) + 1e-16);
    return model.temperature == 1 ? f : f / model.temperature;
  }

  /// f [batch, length, head]
  Var scores() const {
    if (model.pools_as("structured")) {
      const std::int64_t d_a = model.d_attention;
      const Var W_s1 = declare("blocks.0.attn.W_s1", {d, d_a}, {"d_model", "d_attention"}, bound_for(d));
      const Var W_s2 = declare("blocks.0.attn.W_s2", {d_a, heads}, {"d_attention", "head"}, bound_for(d_a));
      return matmul(tanh(matmul(H, W_s1)), W_s2);
    }
    if (model.pools_as("han")) {
      return matmul(words(), declare("blocks.0.attn.context", {d, 1}, {"word_unit", "head"}, bound_for(d)));
    }
    return bounded(model.pools_as("bilinear") ? full_scores() : low_rank_scores());
  }

  Pooled attended() const {
    const Var hidden = reshape(padding_scores(mask), {batch, 1, length});  // [batch, 1, key]
    const Var A = softmax(permute(scores(), {0, 2, 1}) + hidden);          // [batch, head, key]
    Pooled out{.S = matmul(A, H), .pattern = reshape(permute(A, {1, 0, 2}), {heads, batch, 1, length}), .penalty = {}};
    if (model.pools_as("structured") && model.penalty > 0) {
      const Var off = matmul(A, A, false, true) - identity();  // [batch, head, head]
      out.penalty = sum_all(off * off) / static_cast<double>(batch);
    }
    return out;
  }

  /// [head, head]
  Var identity() const {
    std::vector<double> values(static_cast<std::size_t>(heads * heads));
    for (std::size_t i = 0; i < values.size(); i += static_cast<std::size_t>(heads) + 1) values[i] = 1;
    return graph.constant(std::move(values), {heads, heads});
  }

  /// Largest of each feature over a text's words, [batch, d_model]: by halves, which overlap where a length is odd.
  Var largest() const {
    Var x = H + reshape(padding_scores(mask), {batch, length, 1});  // [batch, left, d_model]
    while (x.shape()[1] > 1) {
      const std::int64_t left = x.shape()[1], half = (left + 1) / 2;
      const Var early = slice(x, 1, 0, half), late = slice(x, 1, left - half, left);  // [batch, half, d_model]
      x = early + relu(late - early);  // what is padding in `early` is in `late` too: -1e9 never meets a word in a sum
    }
    return reshape(x, {batch, d});
  }
};

}  // namespace

Var padding_scores(Var mask) { return 1e9 * (mask - 1.0); }

Var mean_of_words(Var x, Var mask) {
  const Shape& s = x.shape();
  const Var words = sum(mask, 1, true);  // [batch, 1]
  return sum(x * reshape(mask, {s[0], s[1], 1}), 1) / words;
}

Pooled pool(Graph& graph, ParamStore& params, const ModelConfig& model, Var H, Var mask) {
  const Recorder r{graph, params, model, H, mask};
  const auto alone = [&r](Var s) { return Pooled{reshape(s, {r.batch, 1, r.d}), {}, {}}; };  // s [batch, d_model]
  if (model.pools_as("mean")) return alone(mean_of_words(H, mask));
  if (model.pools_as("max")) return alone(r.largest());
  if (!model.pools_as("transformer")) return r.attended();
  const EncoderLayer layer = encoder_layer(graph, params, model, H, mask);
  Pooled out = alone(mean_of_words(layer.out, mask));
  out.pattern = layer.pattern;
  return out;
}

}  // namespace saltus::lama
