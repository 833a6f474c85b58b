#include "experiments/icl_classification/split_model.h"

#include <cmath>

#include "ops/ops.h"

namespace saltus::icl_classification {
namespace {

/// z_c [batch, 1], from the tokens' contents [batch, position, item].
Var in_context_logit(Graph& graph, ParamStore& params, const SplitConfig& model, Var content, std::int64_t n_pairs) {
  const std::int64_t batch = content.shape()[0], n = content.shape()[1];
  const Var beta = record_scalar(graph, params, "content_match", model.content_match);
  const Var w = record_scalar(graph, params, "copy_weight", model.copy);
  const Var products = matmul(slice(content, 1, n - 1, n), content, false, true);  // [batch, 1, position]
  const Var pairs = reshape(slice(products, 2, 0, n - 1), {batch, n_pairs, 2});    // [batch, pair, item or label]
  const Var p = softmax(beta * reshape(slice(pairs, 2, 0, 1), {batch, n_pairs}));  // [batch, pair]
  graph.tap("pattern", p);
  const Var ids = graph.input("context_labels", {batch, n_pairs}, DType::i32);          // [batch, pair]
  const Var l = reshape(take(graph.constant({-1, 1}, {2, 1}), ids), {batch, n_pairs});  // [batch, pair]
  return w * sum(p * l, -1, true);
}

/// ln(1 + exp(-x))
double logistic_loss(double x) { return x > 0 ? std::log1p(std::exp(-x)) : std::log1p(std::exp(x)) - x; }

}  // namespace

void SplitConfig::fields(Fields& f) {
  f.choice("parts", parts, {"both", "in_context", "in_weights"}, "which of the two predictors there are");
  f.section("content_match", content_match, "beta: how much attention prefers items like the target");
  f.section("copy", copy, "w: how much the labels attended to count");
  classifier_fields(f);
}

Var record_split(Graph& graph, ParamStore& params, const IclClassificationConfig& task, const SplitConfig& model,
                 std::int64_t batch) {
  const std::int64_t n = task.n_tokens();
  const Var tokens = graph.input("tokens", {batch, n, task.d_model()});        // [batch, position, d_model]
  const Var content = slice(tokens, -1, task.position_dim(), task.d_model());  // [batch, position, item]
  const Var absent = graph.constant(std::vector<double>(static_cast<std::size_t>(batch)), {batch, 1});
  Var z_c = absent, z_w = absent;  // [batch, 1]
  if (model.in_context()) z_c = in_context_logit(graph, params, model, content, task.n_pairs);
  if (model.in_weights()) {
    const Var target = reshape(slice(content, 1, n - 1, n), {batch, task.item_dim});  // [batch, item]
    z_w = classify(graph, params, model, 1, target, "d_item");
  }
  graph.tap("in_context_logit", z_c);
  graph.tap("in_weights_logit", z_w);
  const Var logits = (z_c + z_w) * graph.constant({-0.5, 0.5}, {1, 2});  // [batch, label]
  graph.tap("logits", logits);
  return mean_all(softmax_cross_entropy(logits, graph.input("label", {batch}, DType::i32)));
}

std::vector<std::string> SplitProbe::taps() const {
  std::vector<std::string> names = {"in_context_logit", "in_weights_logit"};
  if (in_context_) names.push_back("pattern");
  return names;
}

std::vector<Measure> SplitProbe::measures() const {
  std::vector<Measure> all = {{"loss", "logistic loss in nats"},
                              {"accuracy", "share of samples with the right label"},
                              {"in_context_loss", "logistic loss of the part in context alone"},
                              {"in_context_accuracy", "accuracy of the part in context alone"},
                              {"in_weights_loss", "logistic loss of the MLP alone"},
                              {"in_weights_accuracy", "accuracy of the MLP alone"}};
  if (in_context_)
    all.push_back({"target_item_label", "TILA: attention to pairs of the target's class, summed over them"});
  return all;
}

void SplitProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                            std::span<double> sums) const {
  const float *z_c = tap("in_context_logit").data, *z_w = tap("in_weights_logit").data;
  const std::int32_t* labels = batch.i32(IclClassification::label_field);
  for (int b = 0; b < batch.size(); ++b) {
    const double c = z_c[b], w = z_w[b], sign = labels[b] == 1 ? 1 : -1;
    std::size_t at = 0;
    for (const double z : {c + w, c, w}) {
      sums[at++] += logistic_loss(sign * z);
      sums[at++] += (z > 0) == (labels[b] == 1);
    }
  }
  if (!in_context_) return;
  const float* pattern = tap("pattern").data;
  const std::int32_t* match = batch.i32(IclClassification::context_match_field);
  for (std::int64_t i = 0; i < batch.size() * n_pairs_; ++i) {
    if (match[i]) sums[6] += pattern[i];
  }
}

}  // namespace saltus::icl_classification
