#include "experiments/icl_regression/theory/reduced_flow.h"

#include <functional>
#include <limits>

#include "core/check.h"
#include "experiments/icl_regression/measures.h"

namespace saltus::icl_regression {
namespace {

std::span<const double> numbers(const Eigen::VectorXd& x) { return {x.data(), static_cast<std::size_t>(x.size())}; }

double holds_from(const ReducedFlow& flow, const std::function<bool(const Heads&)>& property) {
  double from = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t i = flow.times.size(); i-- > 0 && property(flow.heads[i]);) from = flow.times[i];
  return from;
}

}  // namespace

ReducedFlow reduced_flow(const ApproximateLoss& loss, const Heads& start, std::span<const double> times,
                         const OdeTolerance& tolerance) {
  const Eigen::Index n = start.omega.size();
  check(n > 0 && start.mu.size() == n, "reduced_flow: {} values of omega, {} of mu; a head has one of each", n,
        start.mu.size());
  Eigen::VectorXd y0(2 * n);
  y0 << start.omega, start.mu;
  const Derivative descend = [&loss, n](double, const Eigen::VectorXd& y, Eigen::VectorXd& dy) {
    loss.gradient(y.head(n), y.tail(n), dy.head(n), dy.tail(n));
    dy = -dy;
  };
  const Trajectory path = integrate(descend, y0, times, tolerance);
  ReducedFlow flow{path.times, {}, {}};
  for (const Eigen::VectorXd& y : path.states) {
    flow.heads.push_back({y.head(n), y.tail(n)});
    flow.loss.push_back(loss.value(flow.heads.back()));
  }
  return flow;
}

FlowStages flow_stages(const ReducedFlow& flow) {
  check(!flow.times.empty(), "flow_stages: the flow has no recorded time");
  std::size_t peak = 0;
  for (std::size_t i = 1; i < flow.heads.size(); ++i) {
    if (flow.heads[i].omega.cwiseAbs().mean() > flow.heads[peak].omega.cwiseAbs().mean()) peak = i;
  }
  const auto signs = [](const Heads& h) { return sign_match(numbers(h.omega), numbers(h.mu)) == 1; };
  const auto sum = [](const Heads& h) { return zero_sum_residual(numbers(h.mu)) < 0.05; };
  const auto size = [](const Heads& h) { return homogeneity(numbers(h.omega), numbers(h.mu)) < 0.05; };
  return {holds_from(flow, signs), holds_from(flow, sum), holds_from(flow, size), flow.times[peak]};
}

}  // namespace saltus::icl_regression
