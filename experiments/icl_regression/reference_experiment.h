#pragma once
#include <memory>

#include "data/linear_regression.h"
#include "train/system.h"

namespace saltus::icl_regression {

/// An experiment that has everything but a model and its measures: the task, theory's predictors as its references with
/// their exact risks, and the loss on test set `test` as what is watched.
std::unique_ptr<Experiment> reference_experiment(const LinearRegressionConfig& task, const Seeds& seeds);

}  // namespace saltus::icl_regression
