#pragma once
#include "data/linear_regression.h"
#include "experiments/icl_regression/model.h"
#include "train/work.h"

namespace saltus::icl_regression {

/// A training step of model.h on `batch` samples; work.cpp derives it.
Work work(const LinearRegressionConfig& task, const ModelConfig& model, std::int64_t batch);

}  // namespace saltus::icl_regression
