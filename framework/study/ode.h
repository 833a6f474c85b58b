#pragma once
#include <Eigen/Core>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace saltus {

/// Writes dy/dt at (t, y) to `dy`, which has y's size.
using Derivative = std::function<void(double t, const Eigen::VectorXd& y, Eigen::VectorXd& dy)>;

/// The Runge-Kutta pair of order 5(4) of Dormand and Prince 1980, with the continuous extension of order 4 of Hairer,
/// Norsett and Wanner, Solving Ordinary Differential Equations I, section II.6. Holds the stages of one step.
class DormandPrince {
 public:
  DormandPrince(Derivative f, Eigen::VectorXd y, double t);

  /// Tries a step of length h from (t, y). Afterwards end() is the value of order 5 and error() its distance from the
  /// one of order 4, element by element; nothing moves before accept().
  void attempt(double h);
  const Eigen::VectorXd& end() const { return end_; }
  const Eigen::VectorXd& error() const { return error_; }
  /// The solution inside the step last attempted, at t + theta h, theta in [0, 1].
  Eigen::VectorXd inside(double theta) const;
  void accept();

  double t() const { return t_; }
  const Eigen::VectorXd& y() const { return y_; }
  const Eigen::VectorXd& slope() const { return stages_[0]; }  // dy/dt at (t, y)

 private:
  Derivative f_;
  double t_, h_ = 0;
  Eigen::VectorXd y_, end_, error_, point_;
  std::array<Eigen::VectorXd, 7> stages_;
};

struct OdeTolerance {
  double relative = 1e-9, absolute = 1e-12;  // bounds a step's error by absolute + relative |y|, in root mean square
  std::int64_t max_steps = 100'000'000;
};

struct Trajectory {
  std::vector<double> times;
  std::vector<Eigen::VectorXd> states;  // one a time
  std::int64_t steps = 0, rejected = 0;
};

/// Solves dy/dt = f from y(times[0]) = y0 and returns y at every one of `times`, which must rise. Step lengths follow
/// the error with a PI controller (Hairer and Wanner, Solving ODE II, section IV.2), which also keeps steps near the
/// stability limit smooth. Throws where the solution stops being finite or max_steps does not do.
Trajectory integrate(const Derivative& f, const Eigen::VectorXd& y0, std::span<const double> times,
                     const OdeTolerance& tolerance = {});

/// A moment at which a solution makes an event happen.
struct Crossing {
  double time;
  Eigen::VectorXd state;
};

/// Solves dy/dt = f from y(0) = y0 until `event`(y) is not negative, and finds that moment inside the step on its
/// continuous extension. An event that comes and goes within one step is missed. nullopt where none comes by `last`.
std::optional<Crossing> first_crossing(const Derivative& f, const Eigen::VectorXd& y0, double last,
                                       const std::function<double(const Eigen::VectorXd&)>& event,
                                       const OdeTolerance& tolerance = {});

/// `count` >= 2 times from first to last, equally spaced.
std::vector<double> linear_times(double first, double last, int count);
/// 0, then `count` >= 2 times from first > 0 to last, equally spaced in their logarithm.
std::vector<double> log_times(double first, double last, int count);

}  // namespace saltus
