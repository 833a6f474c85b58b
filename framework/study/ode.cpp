#include "study/ode.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace saltus {
namespace {

constexpr double nodes[7] = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1};
constexpr double weights[7][6] = {
    {},
    {1.0 / 5},
    {3.0 / 40, 9.0 / 40},
    {44.0 / 45, -56.0 / 15, 32.0 / 9},
    {19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
    {9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656},
    {35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84},  // and these are the result's
};
/// Result of order 5 less that of order 4.
constexpr double error_weights[7] = {71.0 / 57600,      0,          -71.0 / 16695, 71.0 / 1920,
                                     -17253.0 / 339200, 22.0 / 525, -1.0 / 40};
/// The fifth coefficient of the continuous extension.
constexpr double inside_weights[7] = {-12715105075.0 / 11282082432,  0,
                                      87487479700.0 / 32700410799,   -10690763975.0 / 1880347072,
                                      701980252875.0 / 199316789632, -1453857185.0 / 822651844,
                                      69997945.0 / 29380423};

/// Root mean square of x over the tolerated errors at y and z.
double scaled_norm(const Eigen::VectorXd& x, const Eigen::VectorXd& y, const Eigen::VectorXd& z,
                   const OdeTolerance& tolerance) {
  double sum = 0;
  for (Eigen::Index i = 0; i < x.size(); ++i) {
    const double ratio = x[i] / (tolerance.absolute + tolerance.relative * std::max(std::abs(y[i]), std::abs(z[i])));
    sum += ratio * ratio;
  }
  return std::sqrt(sum / static_cast<double>(std::max<Eigen::Index>(x.size(), 1)));
}

/// A first step length from the sizes of y, of its slope, and of the slope's change over a small Euler step (Hairer,
/// Norsett and Wanner, section II.4).
double first_step(const Derivative& f, const DormandPrince& solver, double span, const OdeTolerance& tolerance) {
  const Eigen::VectorXd& y = solver.y();
  const double size = scaled_norm(y, y, y, tolerance), slope = scaled_norm(solver.slope(), y, y, tolerance);
  const double euler = std::min(span, size < 1e-5 || slope < 1e-5 ? 1e-6 * span : 0.01 * size / slope);
  Eigen::VectorXd later(y.size());
  f(solver.t() + euler, y + euler * solver.slope(), later);
  const double bend = scaled_norm(later - solver.slope(), y, y, tolerance) / euler;
  const double steepest = std::max(slope, bend);
  return std::min(100 * euler, steepest > 0 ? std::pow(0.01 / steepest, 0.2) : span);
}

/// Steps from t towards `last` whose lengths follow the error: attempt() makes one whose error is tolerated, at() looks
/// inside it, accept() goes to its end.
class AdaptiveSteps {
 public:
  AdaptiveSteps(const Derivative& f, const Eigen::VectorXd& y0, double t, double last, const OdeTolerance& tolerance)
      : solver_(f, y0, t), tolerance_(tolerance), last_(last), h_(first_step(f, solver_, last - t, tolerance)) {}

  void attempt() {
    while (true) {
      check(taken_ + rejected_ < tolerance_.max_steps, "integrate: {} steps reached t = {} of {}", taken_ + rejected_,
            t(), last_);
      check(t() + h_ > t(), "integrate: the step length vanished at t = {}", t());
      solver_.attempt(h_);
      error_ = scaled_norm(solver_.error(), solver_.y(), solver_.end(), tolerance_);
      if (error_ <= 1) break;
      ++rejected_;  // too large, or not a number
      h_ *= std::isfinite(error_) ? std::max(0.2, safety / std::pow(error_, exponent)) : 0.1;
    }
    ++taken_;
  }
  Eigen::VectorXd at(double time) const { return solver_.inside((time - t()) / h_); }
  void accept() {
    solver_.accept();
    const double factor = safety * std::pow(previous_, memory) / std::pow(std::max(error_, 1e-12), exponent);
    h_ *= std::clamp(factor, 0.2, 10.0);
    previous_ = std::max(error_, 1e-4);
  }

  double t() const { return solver_.t(); }
  double end() const { return t() + h_; }
  std::int64_t taken() const { return taken_; }
  std::int64_t rejected() const { return rejected_; }

 private:
  static constexpr double exponent = 0.17, memory = 0.04,
                          safety = 0.9;  // of the PI controller; exponent + 3/4 memory = 1/5

  DormandPrince solver_;
  OdeTolerance tolerance_;
  double last_, h_, error_ = 0, previous_ = 1e-4;
  std::int64_t taken_ = 0, rejected_ = 0;
};

}  // namespace

DormandPrince::DormandPrince(Derivative f, Eigen::VectorXd y, double t)
    : f_(std::move(f)), t_(t), y_(std::move(y)), end_(y_), error_(y_), point_(y_) {
  for (Eigen::VectorXd& k : stages_) k.setZero(y_.size());
  f_(t_, y_, stages_[0]);
}

void DormandPrince::attempt(double h) {
  h_ = h;
  for (std::size_t s = 1; s < 7; ++s) {
    Eigen::VectorXd& at = s < 6 ? point_ : end_;
    at = y_;
    for (std::size_t r = 0; r < s; ++r) {
      if (weights[s][r] != 0) at += h * weights[s][r] * stages_[r];
    }
    f_(t_ + nodes[s] * h, at, stages_[s]);
  }
  error_.setZero();
  for (std::size_t r = 0; r < 7; ++r) error_ += h * error_weights[r] * stages_[r];
}

Eigen::VectorXd DormandPrince::inside(double theta) const {
  const Eigen::VectorXd rise = end_ - y_, bend = h_ * stages_[0] - rise, twist = rise - h_ * stages_[6] - bend;
  Eigen::VectorXd last = Eigen::VectorXd::Zero(y_.size());
  for (std::size_t r = 0; r < 7; ++r) last += h_ * inside_weights[r] * stages_[r];
  return y_ + theta * (rise + (1 - theta) * (bend + theta * (twist + (1 - theta) * last)));
}

void DormandPrince::accept() {
  t_ += h_;
  y_.swap(end_);
  stages_[0].swap(stages_[6]);  // the last slope of this step is the first of the next
}

Trajectory integrate(const Derivative& f, const Eigen::VectorXd& y0, std::span<const double> times,
                     const OdeTolerance& tolerance) {
  check(!times.empty() && std::is_sorted(times.begin(), times.end()), "integrate: times have to be given, and to rise");
  Trajectory out;
  out.times.assign(times.begin(), times.end());
  std::size_t next = 0;
  while (next < times.size() && times[next] <= times[0]) out.states.push_back(y0), ++next;
  if (next == times.size()) return out;
  AdaptiveSteps steps(f, y0, times[0], times.back(), tolerance);
  while (next < times.size()) {
    steps.attempt();
    while (next < times.size() && times[next] <= steps.end()) out.states.push_back(steps.at(times[next++]));
    steps.accept();
  }
  out.steps = steps.taken();
  out.rejected = steps.rejected();
  return out;
}

std::optional<Crossing> first_crossing(const Derivative& f, const Eigen::VectorXd& y0, double last,
                                       const std::function<double(const Eigen::VectorXd&)>& event,
                                       const OdeTolerance& tolerance) {
  if (event(y0) >= 0) return Crossing{0, y0};
  AdaptiveSteps steps(f, y0, 0, last, tolerance);
  while (steps.t() < last) {
    steps.attempt();
    if (event(steps.at(steps.end())) >= 0) {
      double before = steps.t(), after = steps.end();
      for (double middle = before + (after - before) / 2; before < middle && middle < after;
           middle = before + (after - before) / 2) {
        (event(steps.at(middle)) >= 0 ? after : before) = middle;
      }
      return after <= last ? std::optional(Crossing{after, steps.at(after)}) : std::nullopt;
    }
    steps.accept();
  }
  return std::nullopt;
}

std::vector<double> linear_times(double first, double last, int count) {
  check(count >= 2 && last > first, "linear_times: {} times from {} to {}", count, first, last);
  std::vector<double> times(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) times[static_cast<std::size_t>(i)] = first + (last - first) * i / (count - 1);
  return times;
}

std::vector<double> log_times(double first, double last, int count) {
  check(first > 0, "log_times: the first time after 0 is {}, but has to be positive", first);
  std::vector<double> times = linear_times(std::log(first), std::log(last), count);
  for (double& t : times) t = std::exp(t);
  times.front() = first;
  times.back() = last;
  times.insert(times.begin(), 0.0);
  return times;
}

}  // namespace saltus
