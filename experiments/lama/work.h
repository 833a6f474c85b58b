#pragma once
#include "data/text/text_classification.h"
#include "experiments/lama/model.h"
#include "train/work.h"

namespace saltus::lama {

/// Whether work() is about this pooling: all but bilinear and transformer.
bool has_counted_work(const ModelConfig& model);

/// Words of a bucket's training texts, on average: padding is none of the work.
double mean_words(const TextClassification& task, int bucket);

/// A training step on `batch` texts of `words` words each; work.cpp derives it.
Work work(const ModelConfig& model, double words, std::int64_t classes, std::int64_t batch);

}  // namespace saltus::lama
