#pragma once
#include <span>

namespace saltus::icl_classification {

/// y = e^intercept x^exponent, by least squares on ln y against ln x.
struct PowerLaw {
  double exponent, intercept;
  double residual;  // root mean square of ln y about the line: how far from a power law the points are
};
/// Of points with positive x and y; two or more with different x.
PowerLaw fit_power_law(std::span<const double> x, std::span<const double> y);

}  // namespace saltus::icl_classification
