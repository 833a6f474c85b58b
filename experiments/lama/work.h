#pragma once
#include "data/text/text_classification.h"
#include "experiments/lama/model.h"
#include "train/work.h"

namespace saltus::lama {

/// Whether work() is about this pooling: all but bilinear and transformer.
bool has_counted_work(const ModelConfig& model);

/// Words of a batch, on average: padding is none of the work.
struct BatchWords {
  double all, distinct;
};
/// Of `batch` texts drawn from a bucket's training texts as TextClassification draws them.
BatchWords mean_words(const TextClassification& task, int bucket, std::int64_t batch);

/// A training step on `batch` texts; work.cpp derives it.
Work work(const ModelConfig& model, const BatchWords& in_batch, std::int64_t classes, std::int64_t batch);

}  // namespace saltus::lama
