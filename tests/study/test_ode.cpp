#include <catch2/catch.hpp>
#include <cmath>

#include "core/check.h"
#include "study/ode.h"

using namespace saltus;

namespace {

/// x'' = -x as (x, x')' = (x', -x); from (1, 0) it is (cos t, -sin t).
void harmonic(double, const Eigen::VectorXd& y, Eigen::VectorXd& dy) {
  dy[0] = y[1];
  dy[1] = -y[0];
}

Eigen::VectorXd harmonic_at(double t) { return Eigen::Vector2d(std::cos(t), -std::sin(t)); }

/// y' = -1000 (y - cos t) - sin t from y(0) = 0: a layer of width 1/1000, then cos t.
void stiff(double t, const Eigen::VectorXd& y, Eigen::VectorXd& dy) {
  dy[0] = -1000 * (y[0] - std::cos(t)) - std::sin(t);
}

/// y' = -2 t y^2, nonlinear and with t in it: 1 / (1 + t^2) from 1.
void driven(double t, const Eigen::VectorXd& y, Eigen::VectorXd& dy) { dy[0] = -2 * t * y[0] * y[0]; }

Eigen::VectorXd driven_at(double t) { return Eigen::VectorXd::Constant(1, 1 / (1 + t * t)); }

struct FixedSteps {
  double at_end, inside, estimate;  // largest error at the steps' ends, at theta = .3 and .8, and of the first error()
};

/// `steps` equal steps over one unit of time.
FixedSteps fixed(const Derivative& f, const Eigen::VectorXd& y0, const std::function<Eigen::VectorXd(double)>& exact,
                 int steps) {
  DormandPrince solver(f, y0, 0);
  FixedSteps worst{0, 0, 0};
  for (int i = 0; i < steps; ++i) {
    const double h = 1.0 / steps;
    solver.attempt(h);
    if (i == 0) worst.estimate = solver.error().norm();
    for (double theta : {0.3, 0.8})
      worst.inside = std::max(worst.inside, (solver.inside(theta) - exact(solver.t() + theta * h)).norm());
    solver.accept();
  }
  worst.at_end = (solver.y() - exact(1)).norm();
  return worst;
}

}  // namespace

TEST_CASE("halving a fixed step divides the error by 2^5") {
  const auto of_harmonic = [](int steps) { return fixed(harmonic, harmonic_at(0), harmonic_at, steps); };
  const auto of_driven = [](int steps) { return fixed(driven, driven_at(0), driven_at, steps); };
  CHECK(std::log2(of_harmonic(8).at_end / of_harmonic(16).at_end) == Approx(5).margin(0.2));
  CHECK(std::log2(of_driven(32).at_end / of_driven(64).at_end) == Approx(5).margin(0.2));
  // One step's error estimate is the local error of the rule of order 4; inside a step, the extension's is of order 5.
  CHECK(std::log2(of_harmonic(8).estimate / of_harmonic(16).estimate) == Approx(5).margin(0.2));
  CHECK(std::log2(of_harmonic(8).inside / of_harmonic(16).inside) == Approx(5).margin(0.3));
  CHECK(std::log2(of_driven(32).inside / of_driven(64).inside) == Approx(5).margin(0.4));
}

TEST_CASE("a looser tolerance costs accuracy, a tighter one steps") {
  const std::vector<double> times = linear_times(0, 20, 101);
  double last_error = 1;
  std::int64_t last_steps = 0;
  for (double tolerance : {1e-4, 1e-6, 1e-8, 1e-10}) {
    const Trajectory path = integrate(harmonic, harmonic_at(0), times, {.relative = tolerance, .absolute = tolerance});
    double worst = 0;
    for (std::size_t i = 0; i < times.size(); ++i)
      worst = std::max(worst, (path.states[i] - harmonic_at(times[i])).norm());
    INFO("tolerance " << tolerance << ": error " << worst << ", steps " << path.steps);
    CHECK(worst < 50 * tolerance);  // the error of 20 units of time
    CHECK(worst < last_error / 20);
    CHECK(path.steps > last_steps);
    last_error = worst;
    last_steps = path.steps;
  }
}

TEST_CASE("a fast layer is resolved, and the slow solution after it costs steps of the stability limit") {
  const std::vector<double> times = {0, 1e-3, 0.01, 1, 3};
  const Trajectory path = integrate(stiff, Eigen::VectorXd::Zero(1), times, {.relative = 1e-5, .absolute = 1e-5});
  for (std::size_t i = 0; i < times.size(); ++i) {
    CHECK(path.states[i][0] == Approx(std::cos(times[i]) - std::exp(-1000 * times[i])).margin(1e-4));
  }
  // The rule is stable to h |lambda| = 3.3, which makes 900 steps: the controller should stay near it, and not bounce.
  INFO(path.steps << " steps, " << path.rejected << " rejected");
  CHECK(path.steps > 850);
  CHECK(path.steps < 1100);
  CHECK(path.rejected < path.steps / 10);
}

TEST_CASE("output times do not change the steps, may be dense, repeated, and start where they like") {
  const Trajectory sparse = integrate(driven, driven_at(1), std::vector<double>{1, 2});
  const std::vector<double> many = linear_times(1, 2, 1001);
  const Trajectory dense = integrate(driven, driven_at(1), many);
  CHECK(sparse.steps == dense.steps);
  CHECK(sparse.states.back() == dense.states.back());
  for (std::size_t i = 0; i < many.size(); ++i) {
    CHECK(dense.states[i][0] == Approx(driven_at(many[i])[0]).epsilon(1e-8));
  }
  const Trajectory repeated = integrate(driven, driven_at(1), std::vector<double>{1, 1, 2, 2});
  CHECK(repeated.states[1] == driven_at(1));
  CHECK(repeated.states[2] == repeated.states[3]);
}

TEST_CASE("a fixed point stays, and a solution that leaves the numbers is an error") {
  const Derivative still = [](double, const Eigen::VectorXd&, Eigen::VectorXd& dy) { dy.setZero(); };
  CHECK(integrate(still, Eigen::Vector2d(1, 0), std::vector<double>{0, 1e6}).states.back() == Eigen::Vector2d(1, 0));
  const Derivative square = [](double, const Eigen::VectorXd& y, Eigen::VectorXd& dy) { dy[0] = y[0] * y[0]; };
  CHECK_THROWS_WITH(
      integrate(square, Eigen::VectorXd::Ones(1), std::vector<double>{0, 2}),
      Catch::StartsWith("integrate: the step length vanished at t = ") || Catch::StartsWith("integrate: the solution"));
  CHECK_THROWS_WITH(integrate(harmonic, harmonic_at(0), std::vector<double>{0, 100}, {.max_steps = 10}),
                    Catch::StartsWith("integrate: 10 steps reached t = "));
  CHECK_THROWS_WITH(integrate(harmonic, harmonic_at(0), std::vector<double>{1, 0}),
                    "integrate: times have to be given, and to rise");
}

TEST_CASE("the first moment of an event is found inside its step") {
  const auto falls_below = [](double level) { return [level](const Eigen::VectorXd& y) { return level - y[0]; }; };
  for (double level : {0.9, 0.0, -0.5}) {
    const auto found = first_crossing(harmonic, harmonic_at(0), 100, falls_below(level));
    REQUIRE(found);
    CHECK(found->time == Approx(std::acos(level)).epsilon(1e-8));
    CHECK(found->state[1] == Approx(-std::sin(found->time)).epsilon(1e-8));
  }
  CHECK(first_crossing(harmonic, harmonic_at(0), 100, falls_below(2))->time == 0);  // already there
  CHECK(!first_crossing(harmonic, harmonic_at(0), 100, falls_below(-1.5)));         // never
  CHECK(first_crossing(harmonic, harmonic_at(0), 1.58, falls_below(0)));
  CHECK(!first_crossing(harmonic, harmonic_at(0), 1.57, falls_below(0)));  // pi/2 is later
}

TEST_CASE("times on a line and on a logarithmic scale") {
  CHECK(linear_times(1, 3, 5) == std::vector<double>{1, 1.5, 2, 2.5, 3});
  const std::vector<double> log = log_times(0.1, 1000, 5);
  REQUIRE(log.size() == 6);
  CHECK(log[0] == 0);
  CHECK(log[1] == 0.1);
  CHECK(log[3] == Approx(10));
  CHECK(log[5] == 1000);
  CHECK_THROWS_WITH(log_times(0, 1, 5), "log_times: the first time after 0 is 0, but has to be positive");
}
