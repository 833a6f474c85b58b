#pragma once
#include <span>

namespace saltus::icl_classification {

/// y = e^intercept x^exponent, by least squares on ln y against ln x.
struct PowerLaw {
  double exponent, intercept;
  double exponent_standard_error;  // from the residuals; nan of fewer than three points
};
/// Of points with positive x and y; two or more with different x.
PowerLaw fit_power_law(std::span<const double> x, std::span<const double> y);

}  // namespace saltus::icl_classification
