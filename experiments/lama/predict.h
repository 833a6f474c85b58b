#pragma once
#include <string>

#include "data/text/text_classification.h"
#include "experiments/lama/model.h"
#include "train/system.h"

namespace saltus::lama {

/// What the model with these parameters says of a text, at the text's own length, cut at the task's max_length. The
/// attention to a word is the weight with which it enters a pooled vector: in a transformer, the mean over the words
/// that ask. Words that the model does not know are shown as they are; a text without words is read as one unknown
/// word.
Experiment::Prediction predict(const TextClassification& task, ParamStore& params, const ModelConfig& model,
                               const std::string& text);

}  // namespace saltus::lama
