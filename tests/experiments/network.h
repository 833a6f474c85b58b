#pragma once
#include <random>
#include <string>
#include <vector>

#include "data/icl_sequences.h"
#include "experiments/icl_classification/model.h"
#include "nn/finite_differences.h"

namespace saltus::tests {

using icl_classification::ModelConfig;

/// A task small enough for finite differences: 5 tokens of width 12.
inline IclClassificationConfig small_task() {
  IclClassificationConfig task;
  task.n_classes = task.novel_pool = 6;
  task.n_labels = 3;
  task.n_pairs = 2;
  task.max_pairs = 3;
  task.item_dim = 5;
  return task;
}

inline ModelConfig small_model() {
  ModelConfig model;
  model.classifier_width = 8;
  return model;
}

/// The network recorded for sequences that the task sampled, with values for all its leaves.
struct Network {
  IclClassificationConfig task;
  ModelConfig model;
  IclClassification source{task, Seeds{}};
  Sequences sequences;
  Graph graph;
  ParamStore params;
  Var loss;
  Leaves<double> leaves;

  Network(const IclClassificationConfig& t, const ModelConfig& m, int batch, Purpose purpose = Purpose::train,
          std::uint64_t seed = 4)
      : task(t), model(m), sequences(train_sequences(source, batch)) {
    loss = icl_classification::record(graph, params, task, model, batch, purpose);
    params.initialise(Rng(seed, Stream::init));
    leaves.values["tokens"].assign(sequences.tokens.begin(), sequences.tokens.end());
    leaves.indices["label"] = sequences.label;
    leaves.indices["context_labels"] = sequences.context_labels;
    leaves.indices["context_match"] = sequences.context_match;
    for (const ParamSpec& s : params.specs())
      leaves.values[s.name].assign(params.view(s.name).begin(), params.view(s.name).end());
  }
  Network(const Network&) = delete;  // `sequences` refers to `source`
  Network& operator=(const Network&) = delete;

  /// Replaces every parameter by normals: constants such as a layer norm's gain would hide mistakes. Biases of the
  /// narrow classifier are raised, so that ReLUs stay alive.
  void randomise(unsigned seed) {
    std::mt19937 random(seed);
    for (const ParamSpec& s : params.specs()) {
      std::vector<double>& x = leaves.values[s.name] = normals(s.shape.size(), random, 0.4);
      if (s.name.ends_with(".b")) {
        for (double& b : x) b += 1;
      }
    }
  }
  std::vector<double> logits() const { return value(graph, graph.tapped("logits"), leaves); }
  std::vector<Var> parameters() {
    std::vector<Var> vars;
    for (const ParamSpec& s : params.specs()) vars.push_back(graph.param(s.name, s.shape));
    return vars;
  }
};

/// Largest difference of two arrays, relative to the largest element.
template <class A, class B>
double relative_difference(const A& a, const B& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, scale = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    scale = std::max(scale, std::abs(static_cast<double>(b[i])));
  }
  return difference / scale;
}

}  // namespace saltus::tests
