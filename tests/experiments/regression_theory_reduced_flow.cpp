#include <catch2/catch.hpp>
#include <cmath>

#include "core/check.h"
#include "experiments/icl_regression/theory/reduced_flow.h"
#include "experiments/icl_regression/theory/risks.h"
#include "experiments/icl_regression/theory/solution_manifold.h"

using namespace saltus;
using namespace saltus::icl_regression;

namespace {

const ApproximateLoss paper{IsotropicTask{}};

Heads two(double omega_1, double omega_2, double mu_1, double mu_2) {
  return {Eigen::Vector2d(omega_1, omega_2), Eigen::Vector2d(mu_1, mu_2)};
}

/// Four heads of no particular symmetry; the third one is nearly a dummy.
Heads four() {
  Heads h{Eigen::VectorXd(4), Eigen::VectorXd(4)};
  h.omega << 0.02, -0.03, 0.001, 0.012;
  h.mu << 0.015, -0.01, -0.002, 0.03;
  return h;
}

/// Slope of log y over log x between two points.
double exponent(double x1, double x2, double y1, double y2) { return std::log(y2 / y1) / std::log(x2 / x1); }

}  // namespace

TEST_CASE("along the reduced flow the loss never rises, whatever the start") {
  for (const Heads& start :
       {two(0.02, -0.01, 0.01, -0.03), two(0.02, 0.02, 0.01, 0.01), two(0.02, -0.03, -0.01, 0.02), four()}) {
    const ReducedFlow flow = reduced_flow(paper, start, log_times(0.01, 300, 400));
    CHECK(flow.loss.front() == Approx(1.1).margin(0.01));
    CHECK(flow.loss.back() < 0.4);
    for (std::size_t i = 1; i < flow.loss.size(); ++i) CHECK(flow.loss[i] <= flow.loss[i - 1] + 1e-9);
  }
}

TEST_CASE("the flow's speed is the gradient of the loss, not half of it") {
  const Heads start = two(0.1, -0.2, 0.5, -0.4), slope = paper.gradient(start);
  const ReducedFlow flow = reduced_flow(paper, start, std::vector<double>{0, 1e-5});
  CHECK((flow.heads[1].omega - start.omega + 1e-5 * slope.omega).norm() < 1e-3 * 1e-5 * slope.omega.norm());
  CHECK((flow.heads[1].mu - start.mu + 1e-5 * slope.mu).norm() < 1e-3 * 1e-5 * slope.mu.norm());
}

TEST_CASE("two heads of opposite signs go to the solution manifold, and at gamma = .13 are the paper's pair") {
  const ReducedFlow flow = reduced_flow(paper, two(0.02, -0.01, 0.01, -0.03), log_times(0.1, 1e4, 400));
  const Heads& end = flow.heads.back();
  const ManifoldDistance near = distance_to_manifold(paper, end);
  CHECK(near.distance < 1e-3);
  CHECK(end.mu.sum() == Approx(0).margin(1e-3));
  CHECK(flow.loss.back() == Approx(approximate_loss_limit(IsotropicTask{})).margin(2e-4));
  // Where it passes gamma = .13 the heads' mu is that of the manifold, 3.38.
  std::size_t i = flow.heads.size() - 1;
  while (flow.heads[i].omega[0] < 0.13) --i;
  CHECK(flow.heads[i].omega[0] == Approx(0.13).epsilon(0.01));
  CHECK(flow.heads[i].mu[0] == Approx(manifold_mu(paper, 0.13)).epsilon(0.02));
  CHECK(flow.heads[i].omega[1] == Approx(-flow.heads[i].omega[0]).epsilon(1e-3));
}

TEST_CASE("on the manifold mu grows as t^(1/6) and omega falls as t^(-1/6)") {
  const ReducedFlow flow = reduced_flow(paper, two(0.02, -0.01, 0.01, -0.03), std::vector<double>{0, 3e3, 1e4, 3e4});
  const auto &a = flow.heads[1], &b = flow.heads[2], &c = flow.heads[3];
  CHECK(exponent(3e3, 1e4, a.mu[0], b.mu[0]) == Approx(1.0 / 6).margin(0.004));
  CHECK(exponent(1e4, 3e4, b.mu[0], c.mu[0]) == Approx(1.0 / 6).margin(0.002));
  CHECK(exponent(1e4, 3e4, b.omega[0], c.omega[0]) == Approx(-1.0 / 6).margin(0.002));
  // The excess over the infimum is of order gamma^4, so it falls as t^(-2/3).
  const double limit = approximate_loss_limit(IsotropicTask{});
  CHECK(exponent(1e4, 3e4, flow.loss[2] - limit, flow.loss[3] - limit) == Approx(-2.0 / 3).margin(0.01));
}

TEST_CASE("heads that start with one sign are trapped: omega = 1/sqrt(d), sum of mu = sqrt(d)/(1+cde), loss .37207") {
  const ReducedFlow flow = reduced_flow(paper, two(0.02, 0.02, 0.01, 0.01), log_times(0.1, 1e3, 100));
  const Heads& end = flow.heads.back();
  CHECK(flow.loss.back() == Approx(0.37207).margin(1e-5));
  for (double omega : end.omega) CHECK(omega == Approx(1 / std::sqrt(5)).epsilon(1e-4));
  CHECK(end.mu.sum() == Approx(std::sqrt(5) / (1 + 1.1 * 5 / 40 * std::exp(1))).epsilon(1e-4));

  SECTION("unequal heads fall for it too, and a small push does not free them: it is stable") {
    CHECK(reduced_flow(paper, two(0.03, 0.01, 0.005, 0.02), log_times(0.1, 1e4, 20)).loss.back() ==
          Approx(0.37207).margin(1e-4));
    const Heads pushed = two(end.omega[0] + 0.02, end.omega[1] - 0.02, end.mu[0] - 0.05, end.mu[1] + 0.05);
    CHECK(reduced_flow(paper, pushed, log_times(0.1, 1e4, 20)).loss.back() == Approx(0.37207).margin(1e-4));
  }
  SECTION("what decides is the sign of omega + mu, not of either") {
    CHECK(reduced_flow(paper, two(0.02, -0.01, 0.01, 0.03), log_times(0.1, 1e3, 20)).loss.back() ==
          Approx(0.37207).margin(1e-4));
    CHECK(reduced_flow(paper, two(0.02, 0.01, 0.01, -0.03), log_times(0.1, 1e3, 20)).loss.back() < 0.23);
  }
}

TEST_CASE("four heads: signs match, then mu sums to zero, then |omega| becomes one, after a peak") {
  const ReducedFlow flow = reduced_flow(paper, four(), log_times(0.01, 3000, 600));
  const FlowStages stages = flow_stages(flow);
  INFO(stages.signs_match << " " << stages.zero_sum << " " << stages.homogeneous << " peak " << stages.omega_peak);
  CHECK(stages.signs_match < stages.homogeneous);
  CHECK(stages.zero_sum < stages.homogeneous);
  CHECK(stages.omega_peak < stages.homogeneous);
  CHECK(stages.omega_peak > 0.5);
  CHECK(flow.loss.back() == Approx(approximate_loss_limit(IsotropicTask{})).margin(3e-4));
}

TEST_CASE("a stage is the first time from which on its property holds; one that does not hold at the end has none") {
  // Signs match at 0, not at 1, and again from 2 on. omega peaks at 1.
  const ReducedFlow flow{{0, 1, 2, 3},
                         {two(0.1, -0.1, 1, -1), two(0.5, 0.3, 1, -1), two(0.2, -0.1, 1, -1), two(0.2, -0.1, 1, -1.5)},
                         {1, 0.9, 0.8, 0.7}};
  const FlowStages stages = flow_stages(flow);
  CHECK(stages.signs_match == 2);
  CHECK(std::isnan(stages.zero_sum));
  CHECK(std::isnan(stages.homogeneous));
  CHECK(stages.omega_peak == 1);
}

TEST_CASE("a start whose heads have no mu is refused") {
  CHECK_THROWS_WITH(reduced_flow(paper, {Eigen::Vector2d(1, 1), Eigen::VectorXd::Ones(1)}, log_times(1, 2, 2)),
                    "reduced_flow: 2 values of omega, 1 of mu; a head has one of each");
}
