#pragma once
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "data/icl_sequences.h"
#include "nn/finite_differences.h"
#include "nn/params.h"

namespace saltus::tests {

/// A number and its derivative along one direction, so that equations in plain loops give exact gradients too.
struct Dual {
  double value, slope;
  Dual(double v = 0, double s = 0) : value(v), slope(s) {}  // NOLINT: a plain number is a constant
};
inline Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.slope + b.slope}; }
inline Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.slope - b.slope}; }
inline Dual operator*(Dual a, Dual b) { return {a.value * b.value, a.slope * b.value + a.value * b.slope}; }
inline Dual operator/(Dual a, Dual b) {
  return {a.value / b.value, (a.slope * b.value - a.value * b.slope) / (b.value * b.value)};
}
inline Dual exp(Dual a) { return {std::exp(a.value), std::exp(a.value) * a.slope}; }
inline Dual log(Dual a) { return {std::log(a.value), a.slope / a.value}; }
inline Dual positive_part(Dual a) { return a.value > 0 ? a : Dual(); }
inline double positive_part(double a) { return a > 0 ? a : 0; }

/// A reduced model recorded for sequences that the task sampled, with values for all its leaves.
struct Reduced {
  using Record = std::function<Var(Graph& graph, ParamStore& params, const IclClassificationConfig& task, int batch)>;

  IclClassificationConfig task;
  IclClassification source{task, Seeds{}};
  Sequences sequences;
  Graph graph;
  ParamStore params;
  Var loss;
  Leaves<double> leaves;

  Reduced(const IclClassificationConfig& t, int batch, const Record& record)
      : task(t), sequences(train_sequences(source, batch)) {
    loss = record(graph, params, task, batch);
    params.initialise(Rng(4, Stream::init));
    leaves.values["tokens"].assign(sequences.tokens.begin(), sequences.tokens.end());
    leaves.indices["label"] = sequences.label;
    leaves.indices["context_labels"] = sequences.context_labels;
    std::mt19937 random(21);
    for (const ParamSpec& s : params.specs()) {
      std::vector<double>& x = leaves.values[s.name];
      if (s.name.starts_with("classifier") || s.name.starts_with("unembed")) {
        x = normals(s.shape.size(), random, 0.5);
        if (s.name.ends_with(".b")) x[0] += 1;  // keeps most ReLUs of a narrow layer alive
      } else {
        x.assign(params.view(s.name).begin(), params.view(s.name).end());
      }
    }
  }
  Reduced(const Reduced&) = delete;  // `sequences` refers to `source`
  Reduced& operator=(const Reduced&) = delete;

  std::vector<double> tap(const std::string& name) const { return value(graph, graph.tapped(name), leaves); }
  std::vector<Var> parameters() {
    std::vector<Var> vars;
    for (const ParamSpec& s : params.specs()) vars.push_back(graph.param(s.name, s.shape));
    return vars;
  }
  /// d loss / d parameter, a parameter of one number.
  double slope(const std::string& name) {
    const Var wrt = graph.param(name, {1});
    return evaluate<double>(graph, grad(loss, std::span(&wrt, 1)), leaves)[0][0];
  }
  /// Contents of sequence s, [position][item].
  std::vector<std::vector<double>> contents(int s) const {
    std::vector<std::vector<double>> c;
    for (int t = 0; t < task.n_tokens(); ++t) {
      const std::span<const float> x = sequences.content(s, t);
      c.emplace_back(x.begin(), x.end());
    }
    return c;
  }

  /// The classifier in plain loops: h <- relu(W h + b) for each layer, then O h, all weights acting on columns.
  template <class Number>
  std::vector<Number> classify(std::vector<Number> h) const {
    for (int layer = 0; leaves.values.contains("classifier." + std::to_string(layer) + ".W"); ++layer) {
      const std::string name = "classifier." + std::to_string(layer);
      h = apply(name + ".W", h);
      for (Number& unit : h) unit = positive_part(unit + Number(leaves.values.at(name + ".b")[0]));
    }
    return apply("unembed.W_U", h);
  }

 private:
  template <class Number>
  std::vector<Number> apply(const std::string& name, const std::vector<Number>& x) const {
    const std::vector<double>& w = leaves.values.at(name);  // [in, out]
    std::vector<Number> y(w.size() / x.size());
    for (std::size_t out = 0; out < y.size(); ++out) {
      for (std::size_t in = 0; in < x.size(); ++in) y[out] = y[out] + Number(w[in * y.size() + out]) * x[in];
    }
    return y;
  }
};

/// A task small enough for finite differences: 5 tokens with contents of 4 dimensions.
inline IclClassificationConfig reduced_task() {
  IclClassificationConfig task;
  task.n_classes = task.novel_pool = 6;
  task.n_labels = 3;
  task.n_pairs = 2;
  task.max_pairs = 3;
  task.item_dim = 4;
  return task;
}

}  // namespace saltus::tests
