#include "experiments/icl_regression/descent.h"

namespace saltus::icl_regression {

std::vector<double> context_gradient(const float* tokens, std::int64_t input_dim, std::int64_t n_tasks,
                                     std::int64_t n_context, bool centred) {
  const auto length = static_cast<double>(n_context);
  const auto row = [&](std::int64_t feature) { return tokens + feature * (n_context + 1); };
  const auto mean = [&](const float* values) {
    double sum = 0;
    for (std::int64_t l = 0; l < n_context; ++l) sum += values[l];
    return sum / length;
  };
  std::vector<double> gradient;
  for (std::int64_t n = 0; n < n_tasks; ++n) {
    const float* y = row(input_dim + n);
    for (std::int64_t j = 0; j < input_dim; ++j) {
      const float* x = row(j);
      const double offset = centred ? mean(x) : 0;
      double sum = 0;
      for (std::int64_t l = 0; l < n_context; ++l) sum += y[l] * (x[l] - offset);
      gradient.push_back(sum / length);
    }
  }
  return gradient;
}

std::span<double> Descent::block(std::int64_t task, std::int64_t label) {
  const auto size = static_cast<std::size_t>(input_dim * input_dim);
  return std::span(weights).subspan(static_cast<std::size_t>(task * n_tasks + label) * size, size);
}

std::span<const double> Descent::block(std::int64_t task, std::int64_t label) const {
  return std::span(weights).subspan(static_cast<std::size_t>((task * n_tasks + label) * input_dim * input_dim),
                                    static_cast<std::size_t>(input_dim * input_dim));
}

std::vector<double> Descent::predict(std::span<const double> gradient, std::span<const double> query) const {
  std::vector<double> answers(static_cast<std::size_t>(n_tasks), 0);
  const double* w = weights.data();
  for (double& answer : answers) {
    for (const double slope : gradient) {  // of label m along coordinate i
      double direction = 0;
      for (const double x : query) direction += *w++ * x;
      answer += slope * direction;
    }
  }
  return answers;
}

Descent linearised(const Circuits& circuits, double slope) {
  Descent descent(circuits.input_dim, circuits.n_tasks);
  for (std::int64_t h = 0; h < circuits.n_heads; ++h) {
    const HeadCircuits head = circuits.head(h);
    const std::vector<double> of_head = kq_block(head);
    for (std::int64_t n = 0; n < circuits.n_tasks; ++n) {
      for (std::int64_t m = 0; m < circuits.n_tasks; ++m) {
        const std::span<double> w = descent.block(n, m);
        for (std::size_t i = 0; i < w.size(); ++i) w[i] += slope * head.ov_at(n, circuits.input_dim + m) * of_head[i];
      }
    }
  }
  return descent;
}

double closest_multiple(std::span<const double> w, std::span<const double> direction) {
  double product = 0, square = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    product += w[i] * direction[i];
    square += direction[i] * direction[i];
  }
  return square == 0 ? 0 : product / square;
}

}  // namespace saltus::icl_regression
