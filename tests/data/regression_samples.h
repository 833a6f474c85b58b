#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/linear_regression.h"

namespace saltus {

/// Samples of linear_regression with the ways that the tests look at them. Refers to the task, which must outlive it.
struct RegressionSamples {
  RegressionSamples(const LinearRegression& source, int n)
      : task(source),
        size(n),
        length(static_cast<int>(source.config().n_context)),
        d(static_cast<int>(source.config().input_dim)),
        n_tasks(static_cast<int>(source.config().n_tasks())),
        tokens(count(n * (d + n_tasks) * (length + 1)), NAN),
        target(count(n * n_tasks), NAN),
        beta(count(n * n_tasks * d), NAN),
        task_id(count(n), -2) {}

  Batch batch() { return {size, {tokens.data(), target.data(), beta.data(), task_id.data()}}; }

  /// Row `feature` of a sample's tokens, over the positions: 0..d-1 are x, d.. are y.
  std::span<const float> row(int sample, int feature) const {
    return std::span(tokens).subspan(count((sample * (d + n_tasks) + feature) * (length + 1)), count(length + 1));
  }
  float x(int sample, int j, int l) const { return row(sample, j)[count(l)]; }
  float y(int sample, int n, int l) const { return row(sample, d + n)[count(l)]; }
  float asked(int sample, int n = 0) const { return target[count(sample * n_tasks + n)]; }
  std::span<const float> beta_of(int sample, int n = 0) const {
    return std::span(beta).subspan(count((sample * n_tasks + n) * d), count(d));
  }
  std::int32_t entry(int sample) const { return task_id[count(sample)]; }
  /// beta_n . x_l in double; l = length is the query.
  double clean(int sample, int n, int l) const {
    double sum = 0;
    for (int j = 0; j < d; ++j) sum += static_cast<double>(beta_of(sample, n)[count(j)]) * x(sample, j, l);
    return sum;
  }

  static std::size_t count(int n) { return static_cast<std::size_t>(n); }

  const LinearRegression& task;
  int size, length, d, n_tasks;
  std::vector<float> tokens, target, beta;
  std::vector<std::int32_t> task_id;
};

RegressionSamples train_samples(const LinearRegression&&, int, std::int64_t = 0, int = 0) = delete;
inline RegressionSamples train_samples(const LinearRegression& task, int n, std::int64_t step = 0, int first = 0) {
  RegressionSamples s(task, n);
  task.sample_train(step, first, s.batch());
  return s;
}

inline RegressionSamples eval_samples(const LinearRegression& task, const std::string& set, int n, int first = 0) {
  const std::vector<std::string> sets = task.eval_sets();
  RegressionSamples s(task, n);
  task.sample_eval(static_cast<int>(std::find(sets.begin(), sets.end(), set) - sets.begin()), first, s.batch());
  return s;
}

/// Mean of values that are added one by one, with its standard error as they scatter.
class Mean {
 public:
  void add(double value) {
    ++n_;
    sum_ += value;
    squares_ += value * value;
  }
  double value() const { return sum_ / n_; }
  double standard_error() const { return std::sqrt((squares_ / n_ - value() * value()) / (n_ - 1)); }
  /// |mean - expected| in standard errors.
  double deviations(double expected) const { return std::abs(value() - expected) / standard_error(); }

 private:
  double n_ = 0, sum_ = 0, squares_ = 0;
};

}  // namespace saltus
