#include <Eigen/Dense>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "experiments/icl_regression/random_features/features.h"

namespace saltus::icl_regression {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::uint64_t seed = 11;
const Rng inputs(seed, Stream::data), init(seed, Stream::init);

RowMajor all(const RandomFeatures& features, const Sequences& sequences) {
  RowMajor out(sequences.samples, features.size());
  std::int64_t column = 0;
  for (int part = 0; part < features.parts(); ++part) {
    features.fill(sequences, part, out.data() + column, features.size());
    column += features.part_size(part);
  }
  CHECK(column == features.size());
  return out;
}

/// (x, 1) of the vector at a position.
Eigen::VectorXd with_one(const Sequences& s, std::int64_t sample, std::int64_t position) {
  Eigen::VectorXd out = Eigen::VectorXd::Ones(s.dim + 1);
  for (std::int64_t c = 0; c < s.dim; ++c) out[c] = s.sample(sample)[position * s.dim + c];
  return out;
}

double relu(double x) { return std::max(x, 0.0); }

/// E relu(a) relu(b) for standard normals of correlation rho: the arc-cosine kernel of degree 1 (Cho and Saul 2009).
double arc_cosine(double rho) {
  return (std::sqrt(1 - rho * rho) + rho * (std::numbers::pi - std::acos(rho))) / (2 * std::numbers::pi);
}

/// <phi(sample a), phi(sample b)> for infinitely many zero-mean heads.
double rfa_kernel(const Sequences& s, std::int64_t a, std::int64_t b) {
  double sum = 0;
  const double queries = with_one(s, a, 0).dot(with_one(s, b, 0)) / 2;
  for (std::int64_t i = 1; i <= s.n_keys; ++i) {
    for (std::int64_t j = 1; j <= s.n_keys; ++j) {
      const double keys = with_one(s, a, i).dot(with_one(s, b, j));
      sum += arc_cosine(std::min(1.0, queries * keys / 2)) * keys;
    }
  }
  return sum / static_cast<double>(s.n_keys * s.n_keys);
}

}  // namespace

TEST_CASE("attention's random features are their formula, in plain loops") {
  const Sequences s = draw_sequences(inputs, 0, 5, 3, 4);
  const std::int64_t heads = 70;  // more than one part
  for (const FeatureModel model : {FeatureModel::rfa, FeatureModel::brfa}) {
    const RandomFeatures features({.model = model, .dim = 4, .n_keys = 3, .n_heads = heads}, init, 2);
    const RowMajor phi = all(features, s);
    for (std::int64_t sample = 0; sample < s.samples; ++sample) {
      const Eigen::VectorXd query = with_one(s, sample, 0);
      for (std::int64_t m = 0; m < heads; ++m) {
        Eigen::VectorXd expected = Eigen::VectorXd::Zero(5);
        for (std::int64_t i = 1; i <= 3; ++i) {
          const Eigen::VectorXd key = with_one(s, sample, i);
          double score = 0;
          for (std::int64_t c = 0; c < 5; ++c) {
            for (std::int64_t e = 0; e < 5; ++e) {
              score += query[e] * features.weights()[static_cast<std::size_t>((m * 5 + c) * 5 + e)] * key[c];
            }
          }
          expected += relu(score) * key / 3;
        }
        expected /= std::sqrt(static_cast<double>(heads));
        for (std::int64_t c = 0; c < 5; ++c) CHECK(phi(sample, m * 5 + c) == Approx(expected[c]).margin(1e-6));
      }
    }
  }
}

TEST_CASE("the network's random features are their formula, in plain loops") {
  const Sequences s = draw_sequences(inputs, 0, 4, 2, 3);
  const RandomFeatures features({.model = FeatureModel::rfmlp, .dim = 3, .n_keys = 2, .n_heads = 70}, init, 0);
  REQUIRE(features.size() == 280);  // as many trained numbers as 70 heads have
  const RowMajor phi = all(features, s);
  for (std::int64_t sample = 0; sample < s.samples; ++sample) {
    for (std::int64_t k = 0; k < features.size(); ++k) {
      const auto w = features.weights().subspan(static_cast<std::size_t>(10 * k), 10);
      double sum = w[9];
      for (std::size_t c = 0; c < 9; ++c) sum += w[c] * s.sample(sample)[c] / std::sqrt(3.0);
      CHECK(phi(sample, k) == Approx(relu(sum) / std::sqrt(280.0)).margin(1e-6));
    }
  }
}

TEST_CASE("biased heads are the zero-mean ones plus a multiple of the identity on the inputs, not on the appended 1") {
  const FeatureShape zero_mean{.model = FeatureModel::rfa, .dim = 3, .n_keys = 2, .n_heads = 4};
  FeatureShape biased = zero_mean;
  biased.model = FeatureModel::brfa;
  biased.query_key_mean = 2.5;
  const RandomFeatures a(zero_mean, init, 0), b(biased, init, 0);
  for (std::size_t i = 0; i < a.weights().size(); ++i) {
    const std::size_t row = i / 4 % 4, column = i % 4;
    CHECK(b.weights()[i] - a.weights()[i] == Approx(row == column && row < 3 ? 2.5 : 0).margin(1e-6));
  }
}

TEST_CASE("attention does not see the order of the keys, the network does") {
  const Sequences s = draw_sequences(inputs, 0, 6, 5, 4);
  Sequences shuffled = s;
  for (std::int64_t i = 0; i < s.samples; ++i) {
    float* keys = shuffled.x.data() + (i * 6 + 1) * 4;
    std::rotate(keys, keys + 2 * 4, keys + 5 * 4);
  }
  const auto change = [&](FeatureModel model) {
    const RandomFeatures features({.model = model, .dim = 4, .n_keys = 5, .n_heads = 20}, init, 0);
    const RowMajor before = all(features, s);
    return (all(features, shuffled) - before).norm() / before.norm();
  };
  CHECK(change(FeatureModel::rfa) < 1e-6);
  CHECK(change(FeatureModel::brfa) < 1e-6);
  CHECK(change(FeatureModel::rfmlp) > 0.1);
}

TEST_CASE("what relu sees has variance 1, and features have a squared norm of order 1 whatever the sizes") {
  for (const std::int64_t size : {4, 16}) {
    const Sequences s = draw_sequences(inputs, 0, 200, size, size);
    for (const FeatureModel model : {FeatureModel::rfa, FeatureModel::brfa, FeatureModel::rfmlp}) {
      const RandomFeatures features({.model = model, .dim = size, .n_keys = size, .n_heads = 200}, init, 0);
      const double square = all(features, s).squaredNorm() / 200;
      INFO(name_of(model) << " of size " << size);
      CHECK(square > 0.15);
      CHECK(square < 1);
      // E relu(z)^2 = 1/2 for a standard normal z.
      if (model == FeatureModel::rfmlp) CHECK(square == Approx(0.5).margin(0.02));
    }
  }
}

TEST_CASE("many zero-mean heads tend to the arc-cosine kernel of query and keys", "[slow]") {
  const Sequences s = draw_sequences(inputs, 0, 6, 4, 5);
  const std::int64_t heads = 200000;
  const RandomFeatures features({.model = FeatureModel::rfa, .dim = 5, .n_keys = 4, .n_heads = heads}, init, 0);
  const RowMajor phi = all(features, s);
  for (std::int64_t a = 0; a < s.samples; ++a) {
    for (std::int64_t b = a; b < s.samples; ++b) {
      // 200,000 heads, each with a spread of about 1.
      CHECK(phi.row(a).cast<double>().dot(phi.row(b).cast<double>()) == Approx(rfa_kernel(s, a, b)).margin(0.01));
    }
  }
}

TEST_CASE(
    "that kernel has parts of degree 0, 1 and every even degree in <x~_0, x~_0'><x~_i, x~_j'>, and no other odd one") {
  // arc_cosine(rho) = sum_k c_k^2 rho^k with the Hermite coefficients of relu: c_0^2 = 1/(2 pi), c_1^2 = 1/4, and for
  // even k c_k^2 = ((k - 3)!!)^2 / (2 pi k!).
  for (const double rho : {-0.9, -0.3, 0.0, 0.5, 0.9}) {
    double series = 1 / (2 * std::numbers::pi) + rho / 4;
    double coefficient = 1 / (4 * std::numbers::pi);  // of k = 2
    for (int k = 2; k < 200; k += 2) {
      series += coefficient * std::pow(rho, k);
      coefficient *= std::pow(k - 1.0, 2) / ((k + 1.0) * (k + 2.0));
    }
    CHECK(series == Approx(arc_cosine(rho)).margin(1e-9));
  }
}

}  // namespace saltus::icl_regression
