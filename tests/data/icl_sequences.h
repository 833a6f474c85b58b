#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "data/icl_classification.h"

namespace saltus {

/// Sampled sequences, with the ways that the tests look at them. Refers to the task, which must outlive it.
struct Sequences {
  Sequences(const IclClassification& source, int n)
      : task(source),
        size(n),
        pairs(static_cast<int>(source.config().n_pairs)),
        width(static_cast<std::size_t>(source.config().d_model())),
        tokens(static_cast<std::size_t>(n * source.config().n_tokens() * source.config().d_model()), NAN),
        label(static_cast<std::size_t>(n), -1),
        context_labels(static_cast<std::size_t>(n * pairs), -1),
        context_match(static_cast<std::size_t>(n * pairs), -1) {}

  Batch batch() { return {size, {tokens.data(), label.data(), context_labels.data(), context_match.data()}}; }

  std::span<const float> token(int sequence, int t) const {
    const auto row = static_cast<std::size_t>(sequence * (2 * pairs + 1) + t);
    return std::span(tokens).subspan(row * width, width);
  }
  std::span<const float> position_block(int sequence, int t) const {
    return token(sequence, t).first(static_cast<std::size_t>(task.config().position_dim()));
  }
  std::span<const float> content(int sequence, int t) const {
    return token(sequence, t).subspan(static_cast<std::size_t>(task.config().position_dim()));
  }
  std::span<const std::int32_t> labels_of(int sequence) const {
    return std::span(context_labels)
        .subspan(static_cast<std::size_t>(sequence * pairs), static_cast<std::size_t>(pairs));
  }
  std::span<const std::int32_t> match_of(int sequence) const {
    return std::span(context_match)
        .subspan(static_cast<std::size_t>(sequence * pairs), static_cast<std::size_t>(pairs));
  }
  std::int32_t asked(int sequence) const { return label[static_cast<std::size_t>(sequence)]; }

  const IclClassification& task;
  int size, pairs;
  std::size_t width;
  std::vector<float> tokens;
  std::vector<std::int32_t> label, context_labels, context_match;
};

Sequences train_sequences(const IclClassification&&, int, std::int64_t = 0, int = 0) = delete;
inline Sequences train_sequences(const IclClassification& task, int n, std::int64_t step = 0, int first = 0) {
  Sequences s(task, n);
  task.sample_train(step, first, s.batch());
  return s;
}

inline Sequences eval_sequences(const IclClassification& task, const std::string& set, int n, int first = 0) {
  const std::vector<std::string> sets = task.eval_sets();
  Sequences s(task, n);
  task.sample_eval(static_cast<int>(std::find(sets.begin(), sets.end(), set) - sets.begin()), first, s.batch());
  return s;
}

/// With within_class_noise 0 an item is its class's centre, bit for bit: finds the class of an item, -1 for a novel
/// one.
class ClassOf {
 public:
  explicit ClassOf(const IclClassification& task) {
    for (int k = 0; k < task.config().n_classes; ++k) by_content_[key(task.centre(k))] = k;
  }
  int operator()(std::span<const float> item) const {
    const auto found = by_content_.find(key(item));
    return found == by_content_.end() ? -1 : found->second;
  }
  /// Classes of the context's items and, last, of the target.
  std::vector<int> items(const Sequences& s, int sequence) const {
    std::vector<int> out;
    for (int t = 0; t <= 2 * s.pairs; t += 2) out.push_back((*this)(s.content(sequence, t)));
    return out;
  }

 private:
  static std::vector<float> key(std::span<const float> x) { return {x.begin(), x.end()}; }
  std::map<std::vector<float>, int> by_content_;
};

/// The default task without within-class noise, so that ClassOf applies.
inline IclClassificationConfig noiseless() {
  IclClassificationConfig config;
  config.within_class_noise = 0;
  return config;
}

/// |observed - expected| in standard deviations of a binomial fraction of n.
inline double deviations(double observed, double expected, double n) {
  return std::abs(observed - expected) / std::sqrt(expected * (1 - expected) / n);
}

/// How many standard deviations chi-square lies above its mean.
inline double chi_square_excess(const std::vector<int>& counts, const std::vector<double>& probability, double n) {
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = n * probability[i];
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  const double dof = static_cast<double>(counts.size()) - 1;
  return (sum - dof) / std::sqrt(2 * dof);
}

}  // namespace saltus
