#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "experiments/lama/model.h"
#include "graph/plan.h"
#include "nn/finite_differences.h"

namespace saltus::tests {

/// A model that is small enough to write out, and no two of whose sizes are the same.
inline lama::ModelConfig small_lama(const std::string& pooling = "lama_ctx") {
  lama::ModelConfig model;
  model.d_embed = 4;
  model.d_hidden = 3;
  model.pooling = pooling;
  model.n_heads = 3;
  model.d_attention = 5;
  model.penalty = 0.3;
  model.classifier_width = 7;
  model.dropout = 0.4;
  return model;
}

inline std::vector<std::string> all_poolings() {
  return {"lama", "lama_ctx", "mean", "max", "han", "structured", "transformer", "bilinear"};
}

inline constexpr std::int64_t lama_words = 11, lama_classes = 4;  // numbers that a word can have; classes

/// A model recorded for texts of these lengths in arrays of `length` words. Parameters, words and labels are random and
/// do not depend on `length`.
struct RecordedLama {
  lama::ModelConfig model;
  std::vector<std::int64_t> lengths;
  std::int64_t length, batch;
  Graph graph;
  ParamStore params;
  Var loss;
  Leaves<double> leaves;

  RecordedLama(const lama::ModelConfig& m, std::vector<std::int64_t> texts, std::int64_t n,
               Purpose purpose = Purpose::evaluate)
      : model(m), lengths(std::move(texts)), length(n), batch(std::ssize(lengths)) {
    loss = lama::record(graph, params, model, {lama_words, lama_classes, length}, batch, purpose);
    params.initialise(Rng(3, Stream::init));
    std::mt19937 random(7);
    for (const ParamSpec& s : params.specs()) {
      leaves.values[s.name] = normals(s.shape.size(), random, 0.5);
      std::copy(leaves.values[s.name].begin(), leaves.values[s.name].end(), params.view(s.name).begin());
    }
    std::uniform_int_distribution<std::int32_t> word(1, lama_words - 1), label(0, lama_classes - 1);
    for (std::int64_t text = 0; text < batch; ++text) {
      leaves.indices["label"].push_back(label(random));
      leaves.indices["dropout_key"].push_back(static_cast<std::int32_t>(5 + text));
      for (std::int64_t t = 0; t < length; ++t) {
        const bool inside = t < lengths[static_cast<std::size_t>(text)];
        leaves.indices["tokens"].push_back(inside ? word(random) : 0);
        leaves.values["mask"].push_back(inside ? 1 : 0);
      }
    }
  }
  RecordedLama(const RecordedLama&) = delete;
  RecordedLama& operator=(const RecordedLama&) = delete;

  std::vector<double> tapped(const std::string& name) const { return value(graph, graph.tapped(name), leaves); }
  std::vector<double> logits() const { return tapped("logits"); }
  /// [head, batch, query, key]
  std::vector<double> pattern() const { return tapped("blocks.0.attn.pattern"); }
  std::vector<double>& parameter(const std::string& name) { return leaves.values.at(name); }

  /// The tap of a plan of fast float kernels.
  std::vector<float> fast(const std::string& tap) {
    const std::vector<Plan::Output> outputs = {{graph.tapped(tap)}};
    const Plan plan(graph, outputs, [this](const std::string& name, const Shape&) { return params.view(name).data(); });
    std::ranges::copy(leaves.indices["tokens"], static_cast<std::int32_t*>(plan.input("tokens")));
    std::ranges::copy(leaves.values["mask"], static_cast<float*>(plan.input("mask")));
    plan.run();
    return {plan.output(0), plan.output(0) + outputs[0].value.shape().size()};
  }
};

}  // namespace saltus::tests
