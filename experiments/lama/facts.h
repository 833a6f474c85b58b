#pragma once
#include <vector>

#include "data/text/text_classification.h"
#include "experiments/lama/model.h"
#include "train/system.h"

namespace saltus::lama {

/// What is known without a model, for run.h5's /references:
///   majority_accuracy [evalset]  of the class that the training part has most of
///   parameters [part]            numbers that each part of the model learns (parameters.h)
///   word_count [word]            occurrences in the training part; the axis' labels say what a token is
///   class_texts [class]          texts of the training part; the axis' labels say what a label is
std::vector<Experiment::Fact> facts(const TextClassification& task, const ModelConfig& model);

/// The corpus, its split and its words: attributes of run.h5.
Attributes notes(const TextClassification& task);

}  // namespace saltus::lama
