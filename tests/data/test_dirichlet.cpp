#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <vector>

#include "data/dirichlet.h"

namespace saltus {
namespace {

const Rng rng(5, Stream::data);

/// n draws of dimension k, one sample number each.
std::vector<std::vector<double>> draws(double concentration, std::size_t k, int n) {
  const Dirichlet dirichlet(concentration);
  std::vector<std::vector<double>> all;
  for (int i = 0; i < n; ++i) {
    RngCursor cursor(rng, static_cast<std::uint32_t>(i), 3, 0);
    all.emplace_back(k);
    dirichlet.draw(cursor, all.back());
  }
  return all;
}

}  // namespace

TEST_CASE("gamma variates have mean and variance equal to their shape") {
  const double shape = GENERATE(0.1, 0.5, 1.0, 2.5, 40.0);
  const int n = 100000;
  RngCursor cursor(rng, 1, 2, 0);
  double sum = 0, squares = 0, logs = 0;
  for (int i = 0; i < n; ++i) {
    const double log_x = Dirichlet(shape).log_gamma_variate(cursor), x = std::exp(log_x);
    sum += x;
    squares += (x - shape) * (x - shape);
    logs += log_x;
  }
  // The variance of x is a, of (x - a)^2 2 a^2 + 6 a, of ln x about 1/a^2 + 1/a at most.
  CAPTURE(shape);
  CHECK(sum / n == Approx(shape).margin(4 * std::sqrt(shape / n)));
  CHECK(squares / n == Approx(shape).margin(4 * std::sqrt((2 * shape * shape + 6 * shape) / n)));
  const double h = 1e-5, digamma = (std::lgamma(shape + h) - std::lgamma(shape - h)) / (2 * h);
  CHECK(logs / n == Approx(digamma).margin(4 * std::sqrt((1 / (shape * shape) + 1 / shape) / n)));
}

TEST_CASE("points of a Dirichlet distribution add up to 1, with its means, variances and covariances") {
  const double a = GENERATE(0.2, 1.0, 3.0);
  const int n = 40000;
  const double k = 3;
  double variance = 0, covariance = 0, mean[3] = {};
  for (const std::vector<double>& p : draws(a, 3, n)) {
    REQUIRE(std::accumulate(p.begin(), p.end(), 0.0) == Approx(1).epsilon(1e-14));
    for (std::size_t i = 0; i < 3; ++i) mean[i] += p[i] / n;
    variance += (p[0] - 1 / k) * (p[0] - 1 / k) / n;
    covariance += (p[1] - 1 / k) * (p[2] - 1 / k) / n;
  }
  const double expected = (k - 1) / (k * k * (k * a + 1));
  CAPTURE(a);
  for (const double m : mean) CHECK(m == Approx(1 / k).margin(4 * std::sqrt(expected / n)));
  CHECK(variance == Approx(expected).epsilon(0.03));
  CHECK(covariance == Approx(-expected / (k - 1)).epsilon(0.05));
}

TEST_CASE("with concentration 1 a coordinate is uniform over the simplex") {
  // P(p_0 > x) = (1 - x)^(k - 1)
  const int n = 20000;
  int above[4] = {};
  for (const std::vector<double>& p : draws(1, 4, n)) {
    for (int i = 0; i < 4; ++i) above[i] += p[0] > 0.2 * (i + 1);
  }
  for (int i = 0; i < 4; ++i) {
    const double expected = std::pow(1 - 0.2 * (i + 1), 3);
    CHECK(above[i] / double(n) == Approx(expected).margin(4 * std::sqrt(expected * (1 - expected) / n)));
  }
}

TEST_CASE("a draw is a function of its place, and no probability is 0 however small the concentration") {
  CHECK(draws(0.7, 5, 20) == draws(0.7, 5, 20));
  CHECK(draws(0.7, 5, 2)[0] != draws(0.7, 5, 2)[1]);
  for (const std::vector<double>& p : draws(0.01, 8, 2000)) {
    for (const double x : p) REQUIRE((x >= Dirichlet::least / 2 && x <= 1));
  }
}

}  // namespace saltus
