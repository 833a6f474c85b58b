#pragma once
#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "data/linear_regression.h"
#include "experiments/icl_regression/circuits.h"

namespace saltus::tests {

using icl_regression::Circuits;

/// Heads planted one by one. What is not said is zero.
struct Planted : Circuits {
  using Circuits::Circuits;

  double& kq_of(std::int64_t h, std::int64_t key, std::int64_t query) {
    const std::int64_t features = input_dim + n_tasks;
    return kq[static_cast<std::size_t>((h * features + key) * features + query)];
  }
  double& ov_of(std::int64_t h, std::int64_t task, std::int64_t feature) {
    return ov[static_cast<std::size_t>((h * n_tasks + task) * (input_dim + n_tasks) + feature)];
  }
  void set(std::int64_t h, const std::vector<double>& omega, const std::vector<double>& mu) {
    for (std::size_t j = 0; j < omega.size(); ++j) kq_of(h, static_cast<int>(j), static_cast<int>(j)) = omega[j];
    for (std::size_t n = 0; n < mu.size(); ++n) ov_of(h, static_cast<int>(n), input_dim + static_cast<int>(n)) = mu[n];
  }
  /// The same with the entries that cannot matter, KQ's last N columns, at `value`.
  Planted with_useless(double value) const {
    Planted changed = *this;
    for (std::int64_t h = 0; h < n_heads; ++h) {
      for (std::int64_t key = 0; key < input_dim + n_tasks; ++key) {
        for (std::int64_t n = 0; n < n_tasks; ++n)
          changed.kq_of(h, key, input_dim + n) = value + static_cast<double>(key * n_tasks + n);
      }
    }
    return changed;
  }
};

/// Heads with M = omega_h I and the answer mu_h y, of one task.
inline Planted heads_of(const std::vector<double>& omega, const std::vector<double>& mu, std::int64_t d = 5) {
  Planted heads(static_cast<std::int64_t>(omega.size()), d, 1);
  for (std::size_t h = 0; h < omega.size(); ++h) {
    heads.set(static_cast<int>(h), std::vector<double>(static_cast<std::size_t>(d), omega[h]), {mu[h]});
  }
  return heads;
}

/// Two tasks in 6 coordinates, S_1 = {0, 1, 2, 3} and S_2 = {2, 3, 4, 5} (section 5 of He et al. 2025, counted from 0).
inline LinearRegressionConfig two_tasks() {
  LinearRegressionConfig task;
  task.input_dim = 6;
  task.supports = {"0..3", "2..5"};
  return task;
}

/// A batch in LinearRegression's layout, filled with normals, and the model's answers to it.
struct PlantedBatch {
  LinearRegressionConfig task;
  int size;
  std::vector<float> tokens, target, beta, prediction;
  std::vector<std::int32_t> task_id;

  PlantedBatch(const LinearRegressionConfig& t, int samples, unsigned seed = 1) : task(t), size(samples) {
    const auto n = [&](std::int64_t each) { return static_cast<std::size_t>(samples * each); };
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    tokens.resize(n(task.n_features() * positions()));
    target.resize(n(task.n_tasks()));
    beta.resize(n(task.n_tasks() * task.input_dim));
    task_id.resize(n(1));
    prediction.resize(n(task.n_tasks()));
    for (std::vector<float>* field : {&tokens, &target, &beta})
      std::generate(field->begin(), field->end(), [&] { return normal(random); });
    for (int b = 0; b < samples; ++b) {
      for (std::int64_t i = task.input_dim; i < task.n_features(); ++i) token(b, i, task.n_context) = 0;
    }
  }
  std::int64_t positions() const { return task.n_context + 1; }
  float& token(int b, std::int64_t feature, std::int64_t position) {
    return tokens[static_cast<std::size_t>((b * task.n_features() + feature) * positions() + position)];
  }
  Batch batch() { return {size, {tokens.data(), target.data(), beta.data(), task_id.data()}}; }

  /// sum_h OV_h Z softmax(Z' KQ_h z_q) over the context, in loops.
  std::vector<double> attend(const Circuits& heads, int b) {
    const std::int64_t features = task.n_features(), context = task.n_context;
    std::vector<double> answers(static_cast<std::size_t>(task.n_tasks()), 0);
    for (std::int64_t h = 0; h < heads.n_heads; ++h) {
      const icl_regression::HeadCircuits head = heads.head(h);
      std::vector<double> weight;
      double total = 0;
      for (std::int64_t l = 0; l < context; ++l) {
        double score = 0;
        for (std::int64_t i = 0; i < features; ++i) {
          for (std::int64_t j = 0; j < features; ++j) score += token(b, i, l) * head.kq_at(i, j) * token(b, j, context);
        }
        weight.push_back(std::exp(score));
        total += weight.back();
      }
      for (std::int64_t n = 0; n < task.n_tasks(); ++n) {
        for (std::int64_t i = 0; i < features; ++i) {
          for (std::int64_t l = 0; l < context; ++l) {
            answers[static_cast<std::size_t>(n)] +=
                head.ov_at(n, i) * token(b, i, l) * weight[static_cast<std::size_t>(l)] / total;
          }
        }
      }
    }
    return answers;
  }
};

/// Means of a probe's measures over a batch, by name and place in it.
struct Measured {
  std::vector<Measure> measures;
  std::vector<double> values;

  /// For circuits and for the batch's predictions as they stand.
  Measured(const Probe& probe, const Circuits& heads, PlantedBatch& samples) : measures(probe.measures()) {
    const std::vector<float> kq(heads.kq.begin(), heads.kq.end()), ov(heads.ov.begin(), heads.ov.end());
    const std::int64_t features = heads.input_dim + heads.n_tasks;
    const Shape kq_shape = {heads.n_heads, features, features}, ov_shape = {heads.n_heads, heads.n_tasks, features},
                prediction_shape = {samples.size, heads.n_tasks};
    const auto tap = [&](const std::string& name) {
      if (name == "blocks.0.attn.KQ") return TapValue{kq.data(), kq_shape};
      if (name == "blocks.0.attn.OV") return TapValue{ov.data(), ov_shape};
      return TapValue{samples.prediction.data(), prediction_shape};
    };
    std::size_t numbers = 0;
    for (const Measure& m : measures) numbers += static_cast<std::size_t>(m.size());
    values.resize(numbers);
    probe.accumulate(samples.batch(), tap, values);
    for (double& v : values) v /= samples.size;
  }
  bool has(const std::string& name) const {
    return std::any_of(measures.begin(), measures.end(), [&](const Measure& m) { return m.name == name; });
  }
  std::vector<double> all(const std::string& name) const {
    auto at = values.begin();
    for (const Measure& m : measures) {
      if (m.name == name) return {at, at + m.size()};
      at += m.size();
    }
    throw std::out_of_range("no measure " + name);
  }
  double operator[](const std::string& name) const { return all(name).at(0); }
};

}  // namespace saltus::tests
