#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "experiments/markov_chains/model.h"
#include "graph/plan.h"
#include "nn/finite_differences.h"

namespace saltus::tests {

/// A model recorded for a batch, every parameter and token at random.
struct RecordedMarkov {
  MarkovChainsConfig task;
  markov_chains::ModelConfig model;
  std::int64_t batch;
  Graph graph;
  ParamStore params;
  Var loss;
  Leaves<double> leaves;

  RecordedMarkov(const MarkovChainsConfig& t, const markov_chains::ModelConfig& m, std::int64_t b)
      : task(t), model(m), batch(b) {
    loss = markov_chains::record(graph, params, task, model, batch);
    params.initialise(Rng(3, Stream::init));
    std::mt19937 random(7);
    for (const ParamSpec& s : params.specs()) leaves.values[s.name] = normals(s.shape.size(), random, 0.7);
    std::uniform_int_distribution<std::int32_t> token(0, static_cast<std::int32_t>(task.states) - 1);
    for (const char* name : {"tokens", "target"}) {
      for (std::int64_t i = 0; i < batch * task.length; ++i) leaves.indices[name].push_back(token(random));
    }
  }
  RecordedMarkov(const RecordedMarkov&) = delete;
  RecordedMarkov& operator=(const RecordedMarkov&) = delete;

  std::vector<std::int32_t>& tokens() { return leaves.indices["tokens"]; }
  std::vector<double>& param(const std::string& name) { return leaves.values.at(name); }
  std::vector<double> tapped(const std::string& name) { return value(graph, graph.tapped(name), leaves); }
  /// The same by a plan of fast float kernels.
  std::vector<float> planned(const std::string& name) {
    for (const ParamSpec& s : params.specs())
      std::copy(param(s.name).begin(), param(s.name).end(), params.view(s.name).begin());
    const std::vector<Plan::Output> outputs = {{graph.tapped(name)}};
    Plan plan(graph, outputs, [this](const std::string& n, const Shape&) { return params.view(n).data(); });
    std::copy(tokens().begin(), tokens().end(), static_cast<std::int32_t*>(plan.input("tokens")));
    plan.run();
    return {plan.output(0), plan.output(0) + graph.tapped(name).shape().size()};
  }
};

/// Every kind of model, small enough to write out.
inline std::vector<markov_chains::ModelConfig> all_markov_models() {
  std::vector<markov_chains::ModelConfig> all;
  for (const char* positions : {"relative", "relative_bias", "learned", "one_hot"}) {
    all.push_back({.kind = "attention", .n_layers = 2, .n_heads = 2, .d_model = 6, .positions = positions});
  }
  for (const char* kind : {"minimal", "minimal_softmax"}) all.push_back({.kind = kind});
  return all;
}

}  // namespace saltus::tests
