#pragma once
#include <cstdint>
#include <string>

#include "config/fields.h"
#include "nn/params.h"

namespace saltus::icl_classification {

/// The classifier of Reddy 2024 (arXiv 2312.03002), which all networks for the task end in: ReLU layers and a linear
/// read-out.
struct ClassifierConfig {
  std::int64_t classifier_layers = 3;
  std::int64_t classifier_width = 128;
  std::string classifier_bias = "scalar";

  void classifier_fields(Fields& f);
};

/// What the classifier reads of the target, x [batch, `axis`], to logits [batch, label]. W ~ N(0, 2 / fan in); biases
/// and the read-out ~ N(0, 1 / d) with d the width of x. Parameters: classifier.{i}.W, classifier.{i}.b, unembed.W_U.
Var classify(Graph& graph, ParamStore& params, const ClassifierConfig& model, std::int64_t n_labels, Var x,
             const std::string& axis);

}  // namespace saltus::icl_classification
