#include "experiments/icl_classification/phenomenology/power_law.h"

#include <cmath>

#include "core/check.h"

namespace saltus::icl_classification {

PowerLaw fit_power_law(std::span<const double> x, std::span<const double> y) {
  check(x.size() == y.size() && x.size() >= 2, "fit_power_law: {} x and {} y; two or more points are needed", x.size(),
        y.size());
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0, xx = 0, xy = 0, residual = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    check(x[i] > 0 && y[i] > 0, "fit_power_law: point ({}, {}) is not positive", x[i], y[i]);
    mean_x += std::log(x[i]) / n;
    mean_y += std::log(y[i]) / n;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double dx = std::log(x[i]) - mean_x;
    xx += dx * dx;
    xy += dx * (std::log(y[i]) - mean_y);
  }
  check(xx > 0, "fit_power_law: all x are {}", x[0]);
  const double exponent = xy / xx, intercept = mean_y - exponent * mean_x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    residual += std::pow(std::log(y[i]) - intercept - exponent * std::log(x[i]), 2);
  }
  return {exponent, intercept, std::sqrt(residual / n)};
}

}  // namespace saltus::icl_classification
