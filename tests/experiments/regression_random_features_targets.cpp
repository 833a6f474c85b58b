#include <catch2/catch.hpp>
#include <cmath>

#include "experiments/icl_regression/random_features/targets.h"

namespace saltus::icl_regression {
namespace {

const Rng inputs(5, Stream::data), task(5, Stream::task);

const std::vector<Target> every_family = {
    {TargetFamily::key_power, 1},      {TargetFamily::key_power, 2},      {TargetFamily::key_power, 3},
    {TargetFamily::weighted_power, 1}, {TargetFamily::weighted_power, 2}, {TargetFamily::weighted_power, 3},
    {TargetFamily::rotated_power, 1},  {TargetFamily::threshold, 1},      {TargetFamily::cosine, 1.5},
};

}  // namespace

TEST_CASE("inputs lie on the unit sphere, evenly") {
  const Sequences s = draw_sequences(inputs, 0, 5000, 2, 3);
  Eigen::Vector3d mean = Eigen::Vector3d::Zero();
  for (std::int64_t v = 0; v < 15000; ++v) {
    const Eigen::Vector3d x = Eigen::Map<const Eigen::Vector3f>(s.x.data() + 3 * v).cast<double>();
    REQUIRE(x.norm() == Approx(1).margin(1e-6));
    mean += x / 15000;
  }
  CHECK(mean.norm() < 5 / std::sqrt(15000.0));
  CHECK(draw_sequences(inputs, 0, 10, 2, 3).x == std::vector<float>(s.x.begin(), s.x.begin() + 90));
  CHECK(draw_sequences(inputs, 1, 10, 2, 3).x != std::vector<float>(s.x.begin(), s.x.begin() + 90));
}

TEST_CASE("directions are a unit vector and an orthogonal matrix with no preferred sign") {
  double trace = 0;
  for (std::uint32_t r = 0; r < 400; ++r) {
    const Directions d = draw_directions(task, r, 4);
    REQUIRE(d.beta.norm() == Approx(1));
    REQUIRE((d.rotation * d.rotation.transpose() - Eigen::Matrix4d::Identity()).norm() < 1e-12);
    trace += d.rotation.trace() / 400;
  }
  CHECK(std::abs(trace) <
        0.2);  // a uniform one has a trace of mean 0 and variance 1; QR's own Q has a trace of the sign of -R
}

TEST_CASE("sphere_mean gives the sphere's moments") {
  for (const std::int64_t dim : {2, 3, 16}) {
    const auto d = static_cast<double>(dim);
    const auto moment = [dim](int k) { return sphere_mean(dim, [k](double s) { return std::pow(s, k); }); };
    CHECK(moment(0) == Approx(1));
    CHECK(moment(1) == Approx(0).margin(1e-12));
    CHECK(moment(2) == Approx(1 / d));
    CHECK(moment(4) == Approx(3 / (d * (d + 2))));
    CHECK(moment(6) == Approx(15 / (d * (d + 2) * (d + 4))));
  }
  // In three dimensions a coordinate is uniform on [-1, 1] (Archimedes).
  CHECK(sphere_mean(3, [](double s) { return s >= 0.5 ? 1 : 0; }) == Approx(0.25).margin(1e-4));
}

TEST_CASE("targets are their formula") {
  const Sequences s = draw_sequences(inputs, 0, 20, 3, 4);
  const Directions directions = draw_directions(task, 0, 4);
  const double pi = std::acos(-1.0);
  const auto raw = [&](std::int64_t sample, const auto& term, bool rotated) {
    double sum = 0;
    for (int i = 1; i <= 3; ++i) {
      double value = 0, score = 0;
      for (int c = 0; c < 4; ++c) {
        const double x = s.sample(sample)[4 * i + c];
        double query = s.sample(sample)[c];
        if (rotated) {
          query = 0;
          for (int e = 0; e < 4; ++e) query += directions.rotation(c, e) * s.sample(sample)[e];
        }
        value += directions.beta[c] * x;
        score += query * x;
      }
      sum += term(score, value) / 3;
    }
    return sum;
  };
  const auto agree = [&](const Target& target, const auto& term, bool rotated = false) {
    const Moments moments = raw_moments(target, 3, 4);
    const Eigen::VectorXd values = target_values(target, s, directions);
    for (std::int64_t i = 0; i < s.samples; ++i) {
      INFO(name_of(target));
      CHECK(values[i] * std::sqrt(moments.variance) + moments.mean == Approx(raw(i, term, rotated)).margin(1e-6));
    }
  };
  agree({TargetFamily::key_power, 2}, [](double, double v) { return v * v; });
  agree({TargetFamily::weighted_power, 3}, [](double q, double v) { return q * q * q * v; });
  agree(
      {TargetFamily::rotated_power, 2}, [](double q, double v) { return q * q * v; }, true);
  agree({TargetFamily::threshold, 1}, [](double q, double v) { return q >= 0.5 ? v : 0; });
  agree({TargetFamily::cosine, pi / 2}, [&](double q, double v) { return std::cos(pi * q) * v; });
}

TEST_CASE("targets have mean 0 and variance 1", "[slow]") {
  for (const Target& target : every_family) {
    const std::int64_t repetitions = 100, samples = 500;
    double sum = 0, square = 0;
    for (std::uint32_t r = 0; r < repetitions; ++r) {
      const Eigen::VectorXd values =
          target_values(target, draw_sequences(inputs, r, samples, 4, 6), draw_directions(task, r, 6));
      sum += values.sum() / (repetitions * samples);
      square += values.squaredNorm() / (repetitions * samples);
    }
    INFO(name_of(target));
    CHECK(sum == Approx(0).margin(0.02));  // 50,000 samples: standard error .005
    CHECK(square == Approx(1).margin(0.05));
  }
}

TEST_CASE("linear_risk is what least squares on the inputs leaves", "[slow]") {
  const std::int64_t samples = 20000, keys = 3, dim = 4, inputs_each = (keys + 1) * dim;
  const Sequences s = draw_sequences(inputs, 0, samples, keys, dim);
  const Directions directions = draw_directions(task, 3, dim);
  const Eigen::MatrixXd x =
      Eigen::Map<const Eigen::MatrixXf>(s.x.data(), inputs_each, samples).cast<double>().transpose();
  const Eigen::LLT<Eigen::MatrixXd> moments(x.transpose() * x);
  for (const Target& target : every_family) {
    const Eigen::VectorXd y = target_values(target, s, directions);
    const Eigen::VectorXd w = moments.solve(x.transpose() * y);
    INFO(name_of(target));
    CHECK((x * w - y).squaredNorm() / static_cast<double>(samples) ==
          Approx(linear_risk(target, keys, dim)).margin(0.03));
  }
}

}  // namespace saltus::icl_regression
