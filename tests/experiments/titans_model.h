#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "experiments/titans/model.h"
#include "graph/plan.h"
#include "nn/finite_differences.h"

namespace saltus::tests {

/// A model of the given kind that is small enough to write out, and not a multiple of anything.
inline titans::ModelConfig small_titan(const std::string& architecture = "mixer", const std::string& kind = "memory") {
  titans::ModelConfig model;
  model.architecture = architecture;
  model.n_layers = 2;
  model.d_model = 6;
  model.width = 5;
  model.segment = 8;
  model.mixer.kind = kind;
  model.mixer.n_heads = 2;
  model.mixer.d_head = 4;
  model.mixer.conv_width = 3;
  model.mixer.window = 5;
  model.mixer.n_persistent = 2;
  model.mixer.chunk = 4;
  return model;
}

/// Every mixer alone, and every way to join a memory and attention.
inline std::vector<titans::ModelConfig> all_titans() {
  std::vector<titans::ModelConfig> all;
  for (const char* kind : {"attention", "sliding_window", "linear_attention", "deltanet", "gated_deltanet",
                           "ttt_linear", "ttt_mlp", "gru", "memory"}) {
    all.push_back(small_titan("mixer", kind));
  }
  for (const char* architecture : {"mac", "mag", "mal"}) all.push_back(small_titan(architecture));
  all.push_back(small_titan("mag"));
  all.back().gating = "mixture";
  for (const char* architecture : {"mixer", "mac"}) {
    all.push_back(small_titan(architecture));
    all.back().mixer.memory_depth = 2;
    all.back().mixer.theta_max = 0.05;
    all.back().mixer.memory_residual = true;
    all.back().mixer.read_before_write = true;
    all.back().mixer.n_persistent = 0;
  }
  return all;
}

inline std::string name_of(const titans::ModelConfig& m) {
  return m.architecture + " " + m.mixer.kind + " " + m.gating + " depth " + std::to_string(m.mixer.memory_depth);
}

/// A model recorded for a batch, every parameter and token at random.
struct RecordedTitan {
  titans::ModelConfig model;
  std::int64_t vocabulary, positions, batch;
  Graph graph;
  ParamStore params;
  Var loss;
  Leaves<double> leaves;

  RecordedTitan(const titans::ModelConfig& m, std::int64_t v, std::int64_t n, std::int64_t b,
                Purpose purpose = Purpose::train)
      : model(m), vocabulary(v), positions(n), batch(b) {
    loss = titans::record(graph, params, model, vocabulary, positions, batch, purpose);
    params.initialise(Rng(3, Stream::init));
    std::mt19937 random(7);
    for (const ParamSpec& s : params.specs()) {
      leaves.values[s.name] = normals(s.shape.size(), random, 0.5);
      std::copy(leaves.values[s.name].begin(), leaves.values[s.name].end(), params.view(s.name).begin());
    }
    std::uniform_int_distribution<std::int32_t> token(0, static_cast<std::int32_t>(v) - 1);
    for (const char* name : {"tokens", "target"}) {
      for (std::int64_t i = 0; i < b * n; ++i) leaves.indices[name].push_back(token(random));
    }
    for (std::int64_t i = 0; i < b * n; ++i) leaves.values["weight"].push_back(i % 3 == 1 ? 1 : 0);
  }
  RecordedTitan(const RecordedTitan&) = delete;
  RecordedTitan& operator=(const RecordedTitan&) = delete;

  std::vector<std::int32_t>& tokens() { return leaves.indices["tokens"]; }

  /// The logits [batch, position, token] of a plan of fast float kernels.
  std::vector<float> logits() {
    if (!plan_) {
      const std::vector<Plan::Output> outputs = {{graph.tapped("logits")}};
      plan_ = std::make_unique<Plan>(
          graph, outputs, [this](const std::string& name, const Shape&) { return params.view(name).data(); });
    }
    std::copy(tokens().begin(), tokens().end(), static_cast<std::int32_t*>(plan_->input("tokens")));
    plan_->run();
    return {plan_->output(0), plan_->output(0) + batch * positions * vocabulary};
  }

 private:
  std::unique_ptr<Plan> plan_;
};

}  // namespace saltus::tests
