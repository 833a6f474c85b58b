#pragma once
#include "study/study.h"

/// What theory says of in-context linear regression, computed from a config and written to a file: `saltus study configs/icl_regression/<name>.yaml`.
namespace saltus::icl_regression {

/// The gradient flow of the approximate loss in (omega, mu) for any number of heads.
Study flow_study();
/// The loss of two opposite heads over a grid of (omega, mu), measured, beside the approximate loss.
Study loss_surface_study();
/// Linear attention's gradient flow from small weights: rank-one heads (saddle to saddle) or merged ones (one drop).
Study saddle_flow_study();
/// Risks of two given heads and of the known predictors against the length of the context.
Study estimators_study();
/// How concentrated softmax attention is: the 2-norm of softmax(s X x_q).
Study saturation_study();

}  // namespace saltus::icl_regression
