#pragma once
#include <optional>
#include <span>

namespace saltus {

/// An abrupt change in a series: a short steep stretch between two calm ones.
struct Jump {
  double step;            // where the series is half-way through
  double before, after;   // levels at the two ends of the steep stretch; after - before is the jump's size
  double step_10, step_90;  // where it has done 10 and 90 per cent of the way
  double plateau_length;  // steps up to step_10 during which the series stayed within 10 per cent of the jump from `before`
  double width() const { return step_90 - step_10; }
  double size() const { return after - before; }
};

/// What counts as a jump.
struct JumpCriteria {
  double min_size = 0;          // in the series' own units
  double size_over_noise = 8;   // its size against the residual of the fit
  double steepness = 4;         // slope of the steep stretch against the steeper of the two around it
  int calm_points = 4;          // points that both calm stretches must have, so that the jump is known to be over
};

/// The jump in a series (steps rising), or nothing. The series is described by the continuous piecewise linear function of three
/// stretches that fits best (least squares over both knots); that description is a jump when it meets the criteria. But for min_size,
/// neither the units of the steps nor of the values matter. Series of over 128 points are first averaged to 128.
std::optional<Jump> find_jump(std::span<const double> steps, std::span<const double> values, const JumpCriteria& criteria = {});

}  // namespace saltus
