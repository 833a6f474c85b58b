#include "experiments/icl_classification/phenomenology/flow.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace saltus::icl_classification {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

Derivative derivative(const NestedLogits& model, const Descent& descent) {
  return [model, rates = descent.rates](double, const Eigen::VectorXd& y, Eigen::VectorXd& dy) {
    dy = -rates.cwiseProduct(gradient(model, Logits(y)));
  };
}

/// When P+ reaches `level`.
std::optional<Crossing> reaches(double level, const NestedLogits& model, const Descent& descent, double last_time,
                                const OdeTolerance& tolerance) {
  const auto event = [&](const Eigen::VectorXd& y) { return measures(model, Logits(y)).right_label - level; };
  return first_crossing(derivative(model, descent), descent.start, last_time, event, tolerance);
}

}  // namespace

void Descent::fields(Fields& f) {
  f.field("xi", start[at_xi], "the classifier's alignment at time 0");
  f.field("alpha", start[at_alpha], "layer 2's logit at time 0");
  f.field("beta_1", start[at_beta_1], "layer 1's logit at time 0");
  f.field("xi_rate", rates[at_xi], "rate at which xi descends the loss; 0 holds it where it starts", at_least(0));
  f.field("alpha_rate", rates[at_alpha], "the same of alpha", at_least(0));
  f.field("beta_1_rate", rates[at_beta_1], "the same of beta_1", at_least(0));
}

NestedFlow nested_flow(const NestedLogits& model, const Descent& descent, std::span<const double> times,
                       const OdeTolerance& tolerance) {
  const Trajectory path = integrate(derivative(model, descent), descent.start, times, tolerance);
  return {path.times, {path.states.begin(), path.states.end()}};
}

Transition transition(const NestedLogits& model, const Descent& descent, double last_time,
                      const OdeTolerance& tolerance) {
  const double guess = 1 / static_cast<double>(model.n_pairs);
  Transition out{.time = nan, .logits = Logits::Constant(nan), .onset = nan, .at_onset = Logits::Constant(nan)};
  const auto jump = reaches((1 + guess) / 2, model, descent, last_time, tolerance);
  if (jump) {
    out.time = jump->time;
    out.logits = jump->state;
  } else if (descent.rates.cwiseProduct(gradient(model, descent.start)).isZero(0)) {
    out.time = infinity;
  }
  if (model.n_labels == model.n_pairs) return out;
  if (const auto onset = reaches(guess, model, descent, last_time, tolerance)) {
    out.onset = onset->time;
    out.at_onset = onset->state;
  }
  return out;
}

double asymptotic_transition_time(const NestedLogits& model, const Descent& descent) {
  const auto n = static_cast<double>(model.n_pairs), l = static_cast<double>(model.n_labels);
  const double xi0 = descent.start[at_xi], alpha0 = descent.start[at_alpha], beta0 = descent.start[at_beta_1];
  if (model.per_position || descent.rates.minCoeff() <= 0 || xi0 < 0 || alpha0 < 0) return nan;
  if (l == n && xi0 == 0 && alpha0 == 0) return infinity;
  const double m = model.competing_tokens.value_or(n), slowing = 1 + (1 + 1 / n) * model.item_weight;
  const double bend = descent.rates[at_beta_1] / descent.rates[at_alpha],
               faster = descent.rates[at_xi] / descent.rates[at_alpha];
  // e^-beta_1 at alpha, and its integral from alpha0.
  const auto closed = [&](double a) { return std::exp(-beta0 - bend * (a - alpha0) * (a + alpha0) / 2); };
  const double width = std::sqrt(bend / 2), area = closed(0) * std::sqrt(std::numbers::pi) / (2 * width),
               start_erf = std::erf(width * alpha0);
  const auto squared_xi = [&](double a) {
    const double integral = area * (std::erf(width * a) - start_erf);
    return xi0 * xi0 + faster / l * (2 * m * (l - n) * integral + n * (a - alpha0) * (a + alpha0));
  };
  // With alpha = alpha0 + u^2 the integrand is smooth where xi starts at 0; the middle of each cell keeps off u = 0.
  constexpr int cells = 20000;
  constexpr double negligible = 80;  // twice the exponent of what is left out
  const double end = std::sqrt(std::sqrt(alpha0 * alpha0 + negligible / bend) - alpha0), step = end / cells;
  double sum = 0;
  for (int i = 0; i < cells; ++i) {
    const double u = (i + 0.5) * step, a = alpha0 + u * u;
    sum += 2 * u * closed(a) / std::sqrt(squared_xi(a)) * step;
  }
  return m * n * slowing / descent.rates[at_alpha] * sum;
}

}  // namespace saltus::icl_classification
