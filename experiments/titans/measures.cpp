#include "experiments/titans/measures.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>

namespace saltus::titans::measures {
namespace {

double dot(const float* a, const float* b, std::int64_t d) {
  double total = 0;
  for (std::int64_t i = 0; i < d; ++i) total += static_cast<double>(a[i]) * b[i];
  return total;
}

double cosine(const float* a, const float* b, std::int64_t d) {
  const double norms = std::sqrt(dot(a, a, d) * dot(b, b, d));
  return norms > 0 ? dot(a, b, d) / norms : 0;
}

/// As many as M [rows, columns] has rows or columns, whichever is less.
Eigen::ArrayXd squared_singular_values(const float* M, std::int64_t rows, std::int64_t columns) {
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::MatrixXd A = Eigen::Map<const Matrix>(M, rows, columns).cast<double>();
  const Eigen::MatrixXd gram =
      A.rows() < A.cols() ? Eigen::MatrixXd(A * A.transpose()) : Eigen::MatrixXd(A.transpose() * A);
  return Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(gram, Eigen::EigenvaluesOnly).eigenvalues().array().max(0);
}

}  // namespace

double decay_half_life(std::span<const float> alpha) {
  double rate = 0;
  for (float a : alpha) rate -= std::log1p(-static_cast<double>(a)) / static_cast<double>(alpha.size());
  return std::log(2.0) / rate;
}

double stability_margin(const Trace& t) {
  double least = std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < t.n; ++i)
    least = std::min(least, (2.0 - t.alpha[i]) * (1.0 + t.eta[i]) - 2.0 * t.theta[i]);
  return least;
}

double repetition_growth(const Trace& t, std::int64_t chunk) {
  double largest = 0;
  for (std::int64_t first = 0; first < t.n; first += chunk) {
    const std::int64_t last = std::min(first + chunk, t.n);
    // The chunk's map of (M, S), applied to its two basis vectors token by token with the gradient held at the chunk's
    // first M.
    Eigen::Matrix2d map;
    for (int column = 0; column < 2; ++column) {
      double M = column == 0 ? 1 : 0, S = 1 - M;
      const double gradient = 2 * M;
      for (std::int64_t i = first; i < last; ++i) {
        S = t.eta[i] * S - t.theta[i] * gradient;
        M = (1.0 - t.alpha[i]) * M + S;
      }
      map.col(column) << M, S;
    }
    const double radius = map.eigenvalues().cwiseAbs().maxCoeff();
    largest = std::max(largest, std::pow(radius, 1 / static_cast<double>(last - first)));
  }
  return largest;
}

double key_interference(const Trace& t) {
  double total = 0;
  for (std::int64_t i = 0; i < t.n; ++i) {
    for (std::int64_t j = 0; j < i; ++j) total += std::abs(dot(t.k + i * t.d, t.k + j * t.d, t.d));
  }
  return total / (0.5 * static_cast<double>(t.n * (t.n - 1)));
}

std::vector<double> influence(const Trace& t) {
  const auto n = static_cast<std::size_t>(t.n);
  std::vector<double> G(n * n);
  for (std::size_t j = 0; j < n; ++j) {
    double in_memory = 0, in_momentum = t.theta[j];
    for (std::size_t i = j; i < n; ++i) {
      if (i > j) in_momentum *= t.eta[i];
      in_memory = (1.0 - t.alpha[i]) * in_memory + in_momentum;
      G[i * n + j] = in_memory;
    }
  }
  return G;
}

double implicit_attention(const Trace& t, std::span<const double> G, std::int64_t i, std::int64_t j) {
  double total = 0, of_j = 0;
  for (std::int64_t m = 0; m <= i; ++m) {
    const double weight = std::abs(dot(t.q + i * t.d, t.k + m * t.d, t.d)) * G[static_cast<std::size_t>(i * t.n + m)];
    total += weight;
    if (m == j) of_j = weight;
  }
  return total > 0 ? of_j / total : 0;
}

double alignment(const Trace& t, std::int64_t i, std::int64_t j) {
  double others = 0;
  for (std::int64_t m = 0; m <= i; ++m) {
    if (m != j) others += cosine(t.q + i * t.d, t.k + m * t.d, t.d);
  }
  return i > 0 ? cosine(t.q + i * t.d, t.k + j * t.d, t.d) - others / static_cast<double>(i) : 0;
}

double shrink_rate(const Trace& t, std::int64_t i) {
  return 2.0 * t.theta[i] / ((1.0 - t.eta[i]) * static_cast<double>(t.d)) -
         std::log1p(-static_cast<double>(t.alpha[i]));
}

double survival(const Trace& t, std::int64_t j, std::int64_t i) {
  double total = 0;
  for (std::int64_t m = j + 1; m <= i; ++m) total += shrink_rate(t, m);
  return std::exp(-total);
}

double stable_rank(const float* M, std::int64_t rows, std::int64_t columns) {
  const Eigen::ArrayXd squares = squared_singular_values(M, rows, columns);
  const double largest = squares.maxCoeff();
  return largest > 0 ? squares.sum() / largest : 0;
}

double effective_rank(const float* M, std::int64_t rows, std::int64_t columns) {
  const Eigen::ArrayXd values = squared_singular_values(M, rows, columns).sqrt();
  const double total = values.sum();
  if (!(total > 0)) return 0;
  double entropy = 0;
  for (double s : values) entropy -= s > 0 ? s / total * std::log(s / total) : 0;
  return std::exp(entropy);
}

}  // namespace saltus::titans::measures
