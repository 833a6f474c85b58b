#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <random>
#include <vector>

#include "probes/jump.h"

using namespace saltus;

namespace {

struct Series {
  std::vector<double> x, y;
  std::optional<Jump> jump(JumpCriteria c = {}) const { return find_jump(x, y, c); }
};

/// f at n steps, 200 apart, with normal noise.
Series series(std::size_t n, double noise, unsigned seed, const std::function<double(double)>& f) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Series s;
  for (std::size_t i = 0; i < n; ++i) {
    s.x.push_back(200.0 * static_cast<double>(i));
    s.y.push_back(f(s.x.back()) + noise * normal(random));
  }
  return s;
}

double logistic(double z) { return 1 / (1 + std::exp(-z)); }

}  // namespace

TEST_CASE("a planted jump is found with its place, size, width and plateau") {
  // From 0.1 to 0.9 around step 20,000; a logistic goes from 10% to 90% within 2 ln 9 = 4.39 time constants, here 439 * 5 steps.
  for (unsigned seed = 0; seed < 20; ++seed) {
    const Series s = series(200, 0.01, seed, [](double x) { return 0.1 + 0.8 * logistic((x - 20000) / 500); });
    const std::optional<Jump> j = s.jump();
    INFO("seed " << seed);
    REQUIRE(j);
    CHECK(j->step == Approx(20000).margin(100));
    CHECK(j->size() == Approx(0.8).margin(0.06));
    CHECK(j->width() == Approx(2197).epsilon(0.15));
    CHECK(j->plateau_length == Approx(20000 - 1100).margin(300));
  }
}

TEST_CASE("a fall is a jump too, and units do not matter") {
  const auto loss = [](double x) { return 3 - 2.5 * logistic((x - 9000) / 300); };
  const Jump a = series(100, 0.02, 1, loss).jump().value();
  CHECK(a.step == Approx(9000).margin(150));
  CHECK(a.size() == Approx(-2.5).margin(0.15));
  Series scaled = series(100, 0.02, 1, loss);
  for (double& x : scaled.x) x *= 1e-3;
  for (double& y : scaled.y) y = 1000 * y + 7;
  const Jump b = scaled.jump().value();
  CHECK(b.step == Approx(a.step * 1e-3));
  CHECK(b.size() == Approx(a.size() * 1000));
}

TEST_CASE("a slow climb before and a slow rise after do not hide the jump, nor count into it") {
  // The shape of in-context accuracy: chance, a slow climb to 0.2, the jump, saturation.
  const Series s = series(235, 0.008, 3, [](double x) {
    return 0.03 + 0.17 * std::clamp((x - 13000) / 20000, 0.0, 1.0) + 0.7 * logistic((x - 35500) / 700) + 0.06 * (1 - std::exp(-std::max(x - 38000, 0.0) / 4000));
  });
  const Jump j = s.jump({.min_size = 0.2}).value();
  CHECK(j.step == Approx(35500).margin(300));
  CHECK(j.before == Approx(0.18).margin(0.03));
  CHECK(j.after == Approx(0.9).margin(0.04));
}

TEST_CASE("noise, drift, gentle saturation and a jump that is still going on are no jumps") {
  for (unsigned seed = 0; seed < 100; ++seed) {
    INFO("seed " << seed);
    CHECK_FALSE(series(60, 0.01, seed, [](double) { return 0.5; }).jump());
    CHECK_FALSE(series(200, 0.01, seed, [](double x) { return x * 1e-5; }).jump());
    CHECK_FALSE(series(100, 0.01, seed, [](double x) { return std::tanh(x / 8000); }).jump());
    CHECK_FALSE(series(100, 0.01, seed, [](double x) { return logistic((x - 10000) / 4000); }).jump());
    CHECK_FALSE(series(105, 0.01, seed, [](double x) { return logistic((x - 20800) / 400); }).jump());  // ends half-way
  }
}

TEST_CASE("a single outlier is no jump") {
  Series s = series(80, 0.01, 4, [](double) { return 0.5; });
  s.y[40] = 1.5;
  CHECK_FALSE(s.jump());
}

TEST_CASE("smaller than min_size is no jump, and so is too short a series") {
  const auto small = [](double x) { return 0.15 * (x > 5000); };
  CHECK(series(60, 0.002, 5, small).jump());
  CHECK_FALSE(series(60, 0.002, 5, small).jump({.min_size = 0.2}));
  CHECK_FALSE(series(10, 0.002, 5, [](double x) { return x > 900 ? 1.0 : 0.0; }).jump());
}
