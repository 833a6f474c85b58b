#pragma once
#include "data/icl_classification.h"
#include "experiments/icl_classification/minimal_model.h"
#include "experiments/icl_classification/model.h"
#include "train/work.h"

namespace saltus::icl_classification {

/// Whether full_work() is about this model: the paper's two layers of one head of full width, without the departures
/// that change what is computed.
bool has_counted_work(const IclClassificationConfig& task, const ModelConfig& model);

/// A training step of the paper's network on `batch` sequences; work.cpp derives it.
Work full_work(const IclClassificationConfig& task, const ModelConfig& model, std::int64_t batch);

/// The same of the minimal model.
Work minimal_work(const IclClassificationConfig& task, const MinimalConfig& model, std::int64_t batch);

}  // namespace saltus::icl_classification
