#include "experiments/icl_regression/random_features/targets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <span>

#include "kernels/random.h"

namespace saltus::icl_regression {
namespace {

enum Lane : std::uint32_t { lane_inputs, lane_beta, lane_rotation };

/// What multiplies <beta, x_i> in the families that look at the query, as a function of s_i or t_i.
double weight(const Target& target, double s, double dim) {
  switch (target.family) {
    case TargetFamily::threshold:
      return s * std::sqrt(dim) >= target.parameter ? 1 : 0;
    case TargetFamily::cosine:
      return std::cos(target.parameter * std::sqrt(dim) * s);
    default:
      return std::pow(s, target.parameter);
  }
}

Eigen::MatrixXd normals(const Rng& rng, std::uint32_t repetition, Lane lane, std::int64_t rows, std::int64_t columns) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  fill_normal(rng, {.step = repetition, .lane = lane}, values);
  return Eigen::Map<const Eigen::MatrixXf>(values.data(), rows, columns).cast<double>();
}

}  // namespace

Sequences draw_sequences(const Rng& rng, std::uint32_t repetition, std::int64_t samples, std::int64_t n_keys,
                         std::int64_t dim) {
  const auto width = static_cast<std::size_t>((n_keys + 1) * dim);
  Sequences out{samples, n_keys, dim, std::vector<float>(static_cast<std::size_t>(samples) * width)};
  for (std::size_t i = 0; i < static_cast<std::size_t>(samples); ++i) {
    const std::span<float> sample(out.x.data() + i * width, width);
    fill_normal(rng, {.sample = static_cast<std::uint32_t>(i), .step = repetition, .lane = lane_inputs}, sample);
    Eigen::Map<Eigen::MatrixXf>(sample.data(), dim, n_keys + 1).colwise().normalize();
  }
  return out;
}

Directions draw_directions(const Rng& rng, std::uint32_t repetition, std::int64_t dim) {
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(normals(rng, repetition, lane_rotation, dim, dim));
  // Q alone is not uniform: the factorisation fixes signs. Those of R's diagonal undo that (Mezzadri 2007).
  const Eigen::VectorXd signs = qr.matrixQR().diagonal().unaryExpr([](double r) { return r < 0 ? -1.0 : 1.0; });
  return {normals(rng, repetition, lane_beta, dim, 1).col(0).normalized(),
          Eigen::MatrixXd(qr.householderQ()) * signs.asDiagonal()};
}

std::string name_of(const Target& target) {
  switch (target.family) {
    case TargetFamily::key_power:
      return fmt::format("key_power p={:g}", target.parameter);
    case TargetFamily::weighted_power:
      return fmt::format("weighted_power q={:g}", target.parameter);
    case TargetFamily::rotated_power:
      return fmt::format("rotated_power q={:g}", target.parameter);
    case TargetFamily::threshold:
      return fmt::format("threshold t={:g}", target.parameter);
    case TargetFamily::cosine:
      return fmt::format("cosine w={:g}", target.parameter);
  }
  return {};
}

double sphere_mean(std::int64_t dim, const std::function<double(double)>& g) {
  // <u, x> = cos(angle), whose density is proportional to sin(angle)^(dim - 2); the midpoint rule for both integrals.
  constexpr int points = 20000;
  double sum = 0, total = 0;
  for (int i = 0; i < points; ++i) {
    const double angle = std::numbers::pi * (i + 0.5) / points;
    const double density = std::pow(std::sin(angle), static_cast<double>(dim - 2));
    sum += density * g(std::cos(angle));
    total += density;
  }
  return sum / total;
}

Moments raw_moments(const Target& target, std::int64_t n_keys, std::int64_t dim) {
  const auto d = static_cast<double>(dim), keys = static_cast<double>(n_keys);
  if (target.family == TargetFamily::key_power) {
    // For a fixed beta the N terms are independent and alike, and their law does not depend on beta.
    const double mean = sphere_mean(dim, [&](double s) { return std::pow(s, target.parameter); });
    const double square = sphere_mean(dim, [&](double s) { return std::pow(s, 2 * target.parameter); });
    return {mean, (square - mean * mean) / keys};
  }
  // Given x_0 (or S x_0, which is as uniform) and beta the terms g(s_i) <beta, x_i> are independent, with conditional
  // mean E[g(s) s] <x_0, beta>: only the part of x_i along x_0 survives the average. E <x_0, beta>^2 = 1/d, and over
  // beta E <beta, x_i>^2 = 1/d whatever x_i is.
  const double along = sphere_mean(dim, [&](double s) { return weight(target, s, d) * s; });
  const double square = sphere_mean(dim, [&](double s) { return std::pow(weight(target, s, d), 2); });
  return {0, (square / keys + (1 - 1 / keys) * along * along) / d};
}

double linear_risk(const Target& target, std::int64_t n_keys, std::int64_t dim) {
  const auto d = static_cast<double>(dim), keys = static_cast<double>(n_keys);
  const auto mean = [&](const auto& g) { return sphere_mean(dim, g); };
  double linear = 0;  // variance of the projections
  if (target.family == TargetFamily::key_power) {
    // Each <beta, x_i>^a projects on d E[t^(a + 1)] <beta, x_i>.
    linear = d / keys * std::pow(mean([&](double t) { return std::pow(t, target.parameter + 1); }), 2);
  } else {
    // The mean given x_0 is E[g(s) s] <beta, x_0> (raw_moments), that given x_i alone E[g(s)] <beta, x_i> / N: both are
    // linear.
    linear += std::pow(mean([&](double s) { return weight(target, s, d) * s; }), 2) / d;
    linear += std::pow(mean([&](double s) { return weight(target, s, d); }), 2) / (d * keys);
  }
  return std::max(0.0, 1 - linear / raw_moments(target, n_keys, dim).variance);
}

Eigen::VectorXd target_values(const Target& target, const Sequences& sequences, const Directions& directions) {
  const Moments moments = raw_moments(target, sequences.n_keys, sequences.dim);
  const auto d = static_cast<double>(sequences.dim);
  Eigen::VectorXd out(sequences.samples);
  for (std::int64_t i = 0; i < sequences.samples; ++i) {
    const Eigen::MatrixXd x =
        Eigen::Map<const Eigen::MatrixXf>(sequences.sample(i), sequences.dim, sequences.n_keys + 1).cast<double>();
    const auto keys = x.rightCols(sequences.n_keys);
    const Eigen::VectorXd value = keys.transpose() * directions.beta;
    double sum = 0;
    if (target.family == TargetFamily::key_power) {
      sum = value.array().pow(target.parameter).sum();
    } else {
      const bool rotated = target.family == TargetFamily::rotated_power;
      const Eigen::VectorXd query = rotated ? directions.rotation * x.col(0) : Eigen::VectorXd(x.col(0));
      const Eigen::VectorXd s = keys.transpose() * query;
      for (Eigen::Index k = 0; k < s.size(); ++k) sum += weight(target, s[k], d) * value[k];
    }
    out[i] = (sum / static_cast<double>(sequences.n_keys) - moments.mean) / std::sqrt(moments.variance);
  }
  return out;
}

}  // namespace saltus::icl_regression
