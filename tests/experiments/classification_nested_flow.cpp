#include <catch2/catch.hpp>
#include <cmath>
#include <numbers>

#include "core/check.h"
#include "experiments/icl_classification/phenomenology/flow.h"
#include "experiments/icl_classification/phenomenology/power_law.h"

using namespace saltus;
using namespace saltus::icl_classification;

namespace {

constexpr double ever = 1e9;

NestedLogits of(std::int64_t n_pairs, std::int64_t n_labels) { return {.n_pairs = n_pairs, .n_labels = n_labels}; }

Descent from(double xi, double alpha, double beta_1) { return {.start = {xi, alpha, beta_1}}; }

}  // namespace

TEST_CASE("the flow of nested logits is as exact as its tolerance, through the jump") {
  const std::vector<double> times = linear_times(0, 100, 201);
  for (const std::int64_t labels : {32, 9}) {
    const NestedFlow exact = nested_flow(of(8, labels), {}, times, {.relative = 1e-12, .absolute = 1e-15});
    for (const double tolerance : {1e-6, 1e-8}) {
      const OdeTolerance loose{.relative = tolerance, .absolute = tolerance / 1000},
          tight{.relative = tolerance / 100, .absolute = tolerance / 1e5};
      const NestedFlow a = nested_flow(of(8, labels), {}, times, loose),
                       b = nested_flow(of(8, labels), {}, times, tight);
      double off = 0, off_tight = 0;
      for (std::size_t i = 0; i < times.size(); ++i) {
        off = std::max(off, (a.logits[i] - exact.logits[i]).norm());
        off_tight = std::max(off_tight, (b.logits[i] - exact.logits[i]).norm());
      }
      INFO("L = " << labels << ", tolerance " << tolerance << ": " << off << ", then " << off_tight);
      CHECK(off < 500 * tolerance);  // the jump makes errors of before grow
      CHECK(off_tight < off / 20);
    }
  }
}

TEST_CASE("the loss falls by the rates times the squared slopes") {
  const Descent descent{.start = {0.5, -0.2, 0.3}, .rates = {1, 0.5, 2}};
  const NestedLogits model;
  const std::vector<double> times = linear_times(0, 100, 4001);
  const NestedFlow flow = nested_flow(model, descent, times);
  double fall = 0;  // by Simpson's rule
  for (std::size_t i = 0; i < times.size(); ++i) {
    const double weight = i == 0 || i + 1 == times.size() ? 1 : i % 2 == 1 ? 4 : 2;
    fall += weight * times[1] / 3 * descent.rates.dot(gradient(model, flow.logits[i]).cwiseAbs2());
  }
  const double start = loss(model, flow.logits.front()), end = loss(model, flow.logits.back());
  CHECK(end < 0.1 * start);  // the jump is in it
  CHECK(fall == Approx(start - end).epsilon(1e-8));
}

TEST_CASE("a rate of 0 holds its logit where it starts") {
  for (Eigen::Index held = 0; held < 3; ++held) {
    Descent descent = from(3, 2, 1);
    descent.rates[held] = 0;
    const Logits end = nested_flow({}, descent, linear_times(0, 50, 2)).logits.back();
    for (Eigen::Index i = 0; i < 3; ++i) CHECK((end[i] == descent.start[i]) == (i == held));
  }
}

TEST_CASE("8 pairs and 32 labels jump at 49.8, and tell labels apart from 47.8 on, when CLA is 0.40") {
  // The numbers are those of another program, with an integrator of order 8, for the same equations.
  const Transition found = transition({}, {}, ever);
  CHECK(found.time == Approx(49.802506018).epsilon(1e-8));
  CHECK(found.onset == Approx(47.812896831).epsilon(1e-8));
  CHECK(measures({}, found.logits).right_label == Approx(9.0 / 16));
  CHECK(measures({}, found.at_onset).right_label == Approx(1.0 / 8));
  CHECK(measures({}, found.at_onset).context_label == Approx(0.4007399584).epsilon(1e-8));
  CHECK(found.logits[at_xi] == Approx(5.4480688).epsilon(1e-7));

  const Transition nine = transition(of(8, 9), {}, ever);
  CHECK(nine.time == Approx(117.42019652).epsilon(1e-8));
  CHECK(std::isnan(transition({}, {}, 40).time));  // not by then
}

TEST_CASE(
    "with as many labels as pairs a run from the origin never jumps, one from nearby does, the later the nearer") {
  const NestedLogits model = of(8, 8);
  CHECK(std::isinf(transition(model, {}, ever).time));
  CHECK(std::isnan(transition(model, from(1e-4, 1e-4, 0), ever).onset));  // all guesses are of the context
  // (xi, alpha) leave the saddle as e^(rate t) with rate = p (N - 1) / N^2.
  const double rate = 1.0 / 9 * 7 / 64;
  const double later =
      transition(model, from(1e-5, 1e-5, 0), ever).time - transition(model, from(1e-4, 1e-4, 0), ever).time;
  CHECK(later == Approx(std::log(10) / rate).epsilon(1e-4));
  // Items make the rate smaller, and layer 1 makes it larger.
  CHECK(std::isinf(transition({.n_pairs = 8, .n_labels = 8, .item_weight = 1}, {}, ever).time));
  CHECK(transition(model, from(0.1, 0.1, 2), ever).time < transition(model, from(0.1, 0.1, 0), ever).time / 2);
}

TEST_CASE("twice the rates are half the time") {
  Descent fast;
  fast.rates *= 2;
  CHECK(2 * transition({}, fast, ever).time == Approx(transition({}, {}, ever).time).epsilon(1e-8));
  CHECK(2 * asymptotic_transition_time({}, fast) == Approx(asymptotic_transition_time({}, {})).epsilon(1e-9));
}

TEST_CASE("the time of the jump approaches its asymptote as the number of pairs grows") {
  const auto off = [](const NestedLogits& model, const Descent& descent) {
    return transition(model, descent, 1e12).time / asymptotic_transition_time(model, descent) - 1;
  };
  const NestedLogits items{.n_pairs = 2048, .n_labels = 4 * 2048, .item_weight = 1},
      fewer{.n_pairs = 2048, .n_labels = 2050, .competing_tokens = 4096};
  CHECK(std::abs(off(of(2048, 4 * 2048), {})) < 0.003);
  CHECK(std::abs(off(of(2048, 2049), {})) < 0.003);
  CHECK(std::abs(off(of(2048, 2048), from(0.1, 0.1, 0))) < 0.003);
  CHECK(std::abs(off(of(2048, 2048), from(0.2, 0, 0.5))) < 0.003);
  CHECK(std::abs(off(items, {})) < 0.003);
  CHECK(std::abs(off(fewer, {.start = {0.3, 0.2, -0.4}, .rates = {1, 0.5, 2}})) < 0.003);
  // The error falls more slowly than 1 / N.
  CHECK(off(of(512, 2048), {}) < off(of(64, 256), {}) / 2);
}

TEST_CASE("asymptotes in closed form, and where there are none") {
  const double many = asymptotic_transition_time(of(100, 100'000'000), {});
  CHECK(many == Approx(std::pow(2 * std::numbers::pi, 0.25) * 1000).epsilon(1e-4));
  const double quarter = asymptotic_transition_time(of(10000, 40000), {});
  CHECK(quarter == Approx(std::pow(2 * std::numbers::pi, 0.25) * 1e6 / std::sqrt(0.75)).epsilon(1e-3));
  CHECK(asymptotic_transition_time(of(400, 401), {}) / asymptotic_transition_time(of(200, 201), {}) ==
        Approx(4).epsilon(2e-3));
  CHECK(std::isinf(asymptotic_transition_time(of(8, 8), {})));
  CHECK(std::isnan(asymptotic_transition_time(of(8, 32), from(-1, 0, 0))));
  CHECK(std::isnan(asymptotic_transition_time(of(8, 32), {.rates = {1, 1, 0}})));
  CHECK(std::isnan(asymptotic_transition_time({.per_position = true}, {})));
}

TEST_CASE("a power law is found, and how far from it the points are") {
  const PowerLaw exact = fit_power_law(std::vector<double>{1, 2, 4, 8},
                                       std::vector<double>{3, 6 * std::sqrt(2.0), 24, 48 * std::sqrt(2.0)});
  CHECK(exact.exponent == Approx(1.5));
  CHECK(std::exp(exact.intercept) == Approx(3));
  CHECK(exact.residual == Approx(0).margin(1e-12));
  // ln x = -1, 0, 1 and ln y = 0, 1, -1: slope -1/2, residuals -1/2, 1, -1/2.
  const double e = std::numbers::e;
  const PowerLaw rough = fit_power_law(std::vector<double>{1 / e, 1, e}, std::vector<double>{1, e, 1 / e});
  CHECK(rough.exponent == Approx(-0.5));
  CHECK(rough.residual == Approx(std::sqrt(1.5 / 3)));
  CHECK(fit_power_law(std::vector<double>{1, 2}, std::vector<double>{1, 2}).residual == Approx(0).margin(1e-12));
  CHECK_THROWS_WITH(fit_power_law(std::vector<double>{1, 2}, std::vector<double>{1, 0}),
                    "fit_power_law: point (2, 0) is not positive");
}
