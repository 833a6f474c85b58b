#include "experiments/icl_regression/circuits.h"

#include <algorithm>
#include <cmath>

namespace saltus::icl_regression {
namespace {

double norm(std::span<const double> x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return std::sqrt(sum);
}

/// numerator / denominator, 0 for 0 / 0.
double ratio(double numerator, double denominator) { return numerator == 0 ? 0 : numerator / denominator; }

}  // namespace

Circuits::Circuits(std::int64_t heads, std::int64_t inputs, std::int64_t tasks)
    : n_heads(heads),
      input_dim(inputs),
      n_tasks(tasks),
      kq(static_cast<std::size_t>(heads * (inputs + tasks) * (inputs + tasks))),
      ov(static_cast<std::size_t>(heads * tasks * (inputs + tasks))) {}

HeadCircuits Circuits::head(std::int64_t h) const {
  const auto kq_size = kq.size() / static_cast<std::size_t>(n_heads),
             ov_size = ov.size() / static_cast<std::size_t>(n_heads);
  return {std::span(kq).subspan(static_cast<std::size_t>(h) * kq_size, kq_size),
          std::span(ov).subspan(static_cast<std::size_t>(h) * ov_size, ov_size), input_dim, n_tasks};
}

Circuits circuits_of(const TapValue& kq, const TapValue& ov) {
  const std::int64_t tasks = ov.shape[1];
  Circuits circuits(kq.shape[0], kq.shape[1] - tasks, tasks);
  std::copy_n(kq.data, circuits.kq.size(), circuits.kq.begin());
  std::copy_n(ov.data, circuits.ov.size(), circuits.ov.begin());
  return circuits;
}

std::vector<double> kq_block(const HeadCircuits& head) {
  std::vector<double> block;
  for (std::int64_t i = 0; i < head.input_dim; ++i) {
    for (std::int64_t j = 0; j < head.input_dim; ++j) block.push_back(head.kq_at(i, j));
  }
  return block;
}

std::vector<double> kq_diagonal(const HeadCircuits& head) {
  std::vector<double> diagonal;
  for (std::int64_t i = 0; i < head.input_dim; ++i) diagonal.push_back(head.kq_at(i, i));
  return diagonal;
}

std::vector<double> ov_diagonal(const HeadCircuits& head) {
  std::vector<double> diagonal;
  for (std::int64_t n = 0; n < head.n_tasks; ++n) diagonal.push_back(mu(head, n));
  return diagonal;
}

double omega(const HeadCircuits& head) {
  double sum = 0;
  for (const double x : kq_diagonal(head)) sum += x;
  return sum / static_cast<double>(head.input_dim);
}

double mu(const HeadCircuits& head, std::int64_t task) { return head.ov_at(task, head.input_dim + task); }

double kq_off_diagonal_sup(const HeadCircuits& head) {
  double sup = 0;
  for (std::int64_t i = 0; i < head.input_dim; ++i) {
    for (std::int64_t j = 0; j < head.input_dim; ++j) {
      if (i != j) sup = std::max(sup, std::abs(head.kq_at(i, j)));
    }
  }
  return sup;
}

double kq21_norm(const HeadCircuits& head) {
  const auto rows = static_cast<std::size_t>(head.n_features());
  double squares = 0;
  for (std::size_t i = static_cast<std::size_t>(head.input_dim); i < rows; ++i) {
    const double row = norm(head.kq.subspan(i * rows, static_cast<std::size_t>(head.input_dim)));
    squares += row * row;
  }
  return std::sqrt(squares);
}

double kq_diagonal_ratio(const HeadCircuits& head) { return ratio(norm(kq_diagonal(head)), norm(kq_block(head))); }

double kq_diagonal_variance(const HeadCircuits& head) {
  const double mean = omega(head);
  double variance = 0;
  for (const double x : kq_diagonal(head)) variance += (x - mean) * (x - mean) / static_cast<double>(head.input_dim);
  return ratio(variance, mean * mean);
}

double ov_last_ratio(const HeadCircuits& head) { return ratio(norm(ov_diagonal(head)), norm(head.ov)); }

double cosine(std::span<const double> a, std::span<const double> b) {
  double product = 0;
  for (std::size_t i = 0; i < a.size(); ++i) product += a[i] * b[i];
  return ratio(product, norm(a) * norm(b));
}

double normalised_distance(std::span<const double> a, std::span<const double> b) {
  const double size_a = norm(a), size_b = norm(b);
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = ratio(a[i], size_a) - ratio(b[i], size_b);
    squares += difference * difference;
  }
  return std::sqrt(squares);
}

}  // namespace saltus::icl_regression
