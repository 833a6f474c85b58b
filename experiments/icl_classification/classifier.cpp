#include "experiments/icl_classification/classifier.h"

#include <fmt/format.h>

#include <cmath>

#include "ops/ops.h"

namespace saltus::icl_classification {

void ClassifierConfig::classifier_fields(Fields& f) {
  f.field("classifier_layers", classifier_layers, "ReLU layers between the target's representation and the read-out",
          at_least(0));
  f.field("classifier_width", classifier_width, "units in each of them", at_least(1));
  f.choice("classifier_bias", classifier_bias, {"scalar", "per_unit", "none"},
           "one bias shared by a layer's units (the paper), one a unit, or none");
}

Var classify(Graph& graph, ParamStore& params, const ClassifierConfig& model, std::int64_t n_labels, Var x,
             const std::string& axis) {
  const Scope scope(graph, "classifier");
  const std::int64_t width = model.classifier_width;
  const Init narrow = Init::normal(1 / std::sqrt(static_cast<double>(x.shape()[-1])));
  for (std::int64_t i = 0; i < model.classifier_layers; ++i) {
    const std::string name = fmt::format("classifier.{}", i);
    const std::int64_t fan_in = x.shape()[-1];
    const std::string in = i == 0 ? axis : "d_hidden", out = i == 0 ? "d_hidden" : "d_hidden_out";
    x = matmul(x, params.declare(graph, name + ".W", {fan_in, width}, {in, out},
                                 Init::normal(std::sqrt(2 / static_cast<double>(fan_in)))));
    if (model.classifier_bias == "scalar") x = x + params.declare(graph, name + ".b", {1}, {"scalar"}, narrow);
    if (model.classifier_bias == "per_unit") x = x + params.declare(graph, name + ".b", {width}, {"d_hidden"}, narrow);
    x = relu(x);
  }
  return matmul(x, params.declare(graph, "unembed.W_U", {x.shape()[-1], n_labels},
                                  {model.classifier_layers == 0 ? axis : "d_hidden", "label"}, narrow));
}

}  // namespace saltus::icl_classification
