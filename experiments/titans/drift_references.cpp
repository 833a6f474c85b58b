#include "experiments/titans/drift_references.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/check.h"

namespace saltus::titans {
namespace {

constexpr std::size_t n_filters = 3;  // the Kalman filters come first, then the constant rules

/// Where f, which falls and then rises, is least in [low, high], to 1e-8 of it: golden section search.
template <class F>
double least_argument(double low, double high, const F& f) {
  const double golden = (std::sqrt(5.0) - 1) / 2;
  double left = high - golden * (high - low), right = low + golden * (high - low);
  double at_left = f(left), at_right = f(right);
  for (int i = 0; i < 38; ++i) {
    if (at_left < at_right) {
      high = std::exchange(right, left);
      at_right = at_left;
      at_left = f(left = high - golden * (high - low));
    } else {
      low = std::exchange(left, right);
      at_left = at_right;
      at_right = f(right = low + golden * (high - low));
    }
  }
  return (low + high) / 2;
}

/// A ConstantRule at work on one sequence.
class Learner {
 public:
  Learner(const ConstantRule& rule, Eigen::Index d, Eigen::Index outputs)
      : rule_(rule), M_(Eigen::MatrixXd::Zero(outputs, d)) {}
  Eigen::VectorXd predict(const Eigen::VectorXd& x) const { return M_ * x; }
  void observe(const Eigen::VectorXd& x, const Eigen::VectorXd& y) {
    const Eigen::VectorXd written = rule_.hebbian ? y : Eigen::VectorXd(y - M_ * x);
    M_ = (1 - rule_.alpha) * M_ + rule_.beta / static_cast<double>(x.size()) * written * x.transpose();
  }

 private:
  ConstantRule rule_;
  Eigen::MatrixXd M_;  // [output, input]
};

}  // namespace

KalmanRegression::KalmanRegression(std::int64_t input_dim, std::int64_t output_dim, double noise_variance, double drift)
    : noise_variance_(std::max(noise_variance, 1e-9)),
      drift_(drift),
      mean_(Eigen::MatrixXd::Zero(output_dim, input_dim)),
      covariance_(Eigen::MatrixXd::Identity(input_dim, input_dim) / static_cast<double>(input_dim)) {}

void KalmanRegression::observe(const Eigen::VectorXd& x, const Eigen::VectorXd& y) {
  const Eigen::VectorXd Px = covariance_ * x;
  const Eigen::VectorXd gain = Px / (x.dot(Px) + noise_variance_);
  mean_ += (y - mean_ * x) * gain.transpose();
  covariance_ -= gain * Px.transpose();
  const double kept = (1 - drift_) * (1 + drift_), d = static_cast<double>(x.size());
  mean_ *= std::sqrt(kept);
  covariance_ *= kept;
  covariance_.diagonal().array() += drift_ * drift_ / d;
}

std::vector<double> expected_errors(const DriftingRegressionConfig& task, double drift, const ConstantRule& rule) {
  const double d = static_cast<double>(task.input_dim), noise = task.noise_std * task.noise_std;
  const double a = std::sqrt((1 - drift) * (1 + drift)), kept = 1 - rule.alpha, beta = rule.beta;
  const double erased = rule.hebbian ? 0 : beta;
  double square = 0, overlap = 0;  // E|M|^2 and E<M, W> of one output, over E|W|^2 = 1
  std::vector<double> errors;
  for (std::int64_t t = 0; t < task.n_pairs; ++t) {
    errors.push_back((1 - 2 * overlap + square + noise) / task.label_variance());
    // M (kept - erased u u') + beta (W u + noise / sqrt(d)) u', with u = x / sqrt(d) uniform on the unit sphere.
    const double new_square = square * (kept * kept - erased * (2 * kept - erased) / d) +
                              beta * beta * (1 + noise) / d + 2 * overlap * beta * (kept - erased) / d;
    overlap = a * (overlap * (kept - erased / d) + beta / d);
    square = new_square;
  }
  return errors;
}

double expected_error(const DriftingRegressionConfig& task, double drift, const ConstantRule& rule) {
  const std::vector<double> errors = expected_errors(task, drift, rule);
  return std::accumulate(errors.begin(), errors.end(), 0.0) / static_cast<double>(errors.size());
}

ConstantRule best_rule(const DriftingRegressionConfig& task, double drift, bool hebbian, bool decay) {
  const auto error = [&](double beta, double alpha) { return expected_error(task, drift, {hebbian, beta, alpha}); };
  const auto best_beta = [&](double alpha) {
    return least_argument(0, 2, [&](double beta) { return error(beta, alpha); });
  };
  const double alpha = decay ? least_argument(0, 1, [&](double a) { return error(best_beta(a), a); }) : 0;
  return {hebbian, best_beta(alpha), alpha};
}

const std::vector<std::string>& DriftReferences::labels() {
  static const std::vector<std::string> labels = {"kalman", "kalman_trained", "ridge",
                                                  "delta",  "delta_decay",    "hebb_decay"};
  return labels;
}

DriftReferences::DriftReferences(const DriftingRegressionConfig& config, std::span<const double> drifts)
    : config_(config) {
  for (const double q : drifts) {
    rates_.push_back(
        {q, {best_rule(config, q, false, false), best_rule(config, q, false, true), best_rule(config, q, true, true)}});
  }
}

const ConstantRule& DriftReferences::rule(std::size_t set, const std::string& label) const {
  const auto number = static_cast<std::size_t>(std::find(labels().begin(), labels().end(), label) - labels().begin());
  check(number >= n_filters && number < labels().size(), "{} is no rule with constants", label);
  return rates_.at(set).rules.at(number - n_filters);
}

std::vector<Measure> DriftReferences::measures() const {
  const Dim predictor{.name = "predictor", .labels = labels()};
  const Dim seen{.name = "n_seen", .size = config_.n_pairs, .long_name = "pairs before the x that is asked"};
  return {{"risk", "squared error over E y^2, mean over pairs", {predictor}},
          {"pointwise_risk", "squared error over E y^2 after n_seen pairs", {predictor, seen}}};
}

void DriftReferences::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>&,
                                 std::span<double> sums) const {
  const std::int64_t T = config_.n_pairs, d = config_.input_dim, outputs = config_.output_dim;
  const double noise = config_.noise_std * config_.noise_std;
  using Rows = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
  for (int b = 0; b < batch.size(); ++b) {
    const Rows x(batch.f32(DriftingRegression::x_field) + b * T * d, T, d),
        y(batch.f32(DriftingRegression::y_field) + b * T * outputs, T, outputs);
    const float drift = batch.f32(DriftingRegression::drift_field)[b];
    const auto rate = std::find_if(rates_.begin(), rates_.end(),
                                   [=](const OfRate& r) { return static_cast<float>(r.drift) == drift; });
    check(rate != rates_.end(), "a sample of drift {}, for which no references were made", drift);
    const auto score = [&](std::size_t predictor, auto learner) {
      for (std::int64_t t = 0; t < T; ++t) {
        const Eigen::VectorXd x_t = x.row(t).transpose().cast<double>(), y_t = y.row(t).transpose().cast<double>();
        const double error =
            (learner.predict(x_t) - y_t).squaredNorm() / (static_cast<double>(outputs) * config_.label_variance());
        sums[predictor] += error / static_cast<double>(T);
        sums[labels().size() + predictor * static_cast<std::size_t>(T) + static_cast<std::size_t>(t)] += error;
        learner.observe(x_t, y_t);
      }
    };
    const double filters[n_filters] = {rate->drift, config_.drift, 0};
    for (std::size_t p = 0; p < n_filters; ++p) score(p, KalmanRegression(d, outputs, noise, filters[p]));
    for (std::size_t p = 0; p < rate->rules.size(); ++p) score(n_filters + p, Learner(rate->rules[p], d, outputs));
  }
}

}  // namespace saltus::titans
