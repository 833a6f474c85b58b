#include "experiments/lama/predict.h"

#include <algorithm>
#include <cmath>

#include "data/text/tokeniser.h"
#include "graph/plan.h"

namespace saltus::lama {
namespace {

std::vector<double> softmax_of(const float* logits, std::int64_t classes) {
  const double top = *std::max_element(logits, logits + classes);
  std::vector<double> p;
  double total = 0;
  for (std::int64_t c = 0; c < classes; ++c) total += p.emplace_back(std::exp(logits[c] - top));
  for (double& x : p) x /= total;
  return p;
}

/// Means over queries of one text's pattern [head, 1, query, key]: [head][key].
std::vector<std::vector<double>> attention_of(const float* pattern, const Shape& shape) {
  const std::int64_t heads = shape[0], queries = shape[2], keys = shape[3];
  std::vector<std::vector<double>> attention(static_cast<std::size_t>(heads),
                                             std::vector<double>(static_cast<std::size_t>(keys)));
  for (std::vector<double>& weights : attention) {
    for (std::int64_t q = 0; q < queries; ++q) {
      for (double& w : weights) w += *pattern++ / static_cast<double>(queries);
    }
  }
  return attention;
}

}  // namespace

Experiment::Prediction predict(const TextClassification& task, ParamStore& params, const ModelConfig& model,
                               const std::string& text) {
  const std::vector<std::int32_t> ids = task.encode(text);
  Experiment::Prediction out;
  out.words = words_of(text);
  out.words_in_text = std::ssize(out.words);
  if (out.words.empty()) out.words.push_back(task.vocabulary().word(Vocabulary::unknown));
  out.words.resize(ids.size());
  for (const std::int32_t id : ids) out.known.push_back(id != Vocabulary::unknown);

  Graph graph;
  const TextShape shape{task.vocabulary().size(), task.n_classes(), std::ssize(ids)};
  record(graph, params, model, shape, 1, Purpose::evaluate);
  std::vector<Plan::Output> outputs = {{graph.tapped("logits")}};
  if (model.has_attention()) outputs.push_back({graph.tapped("blocks.0.attn.pattern")});
  const Plan plan(graph, outputs, [&](const std::string& name, const Shape&) { return params.view(name).data(); });
  std::copy(ids.begin(), ids.end(), static_cast<std::int32_t*>(plan.input("tokens")));
  std::fill_n(static_cast<float*>(plan.input("mask")), ids.size(), 1.0F);
  plan.run();
  out.probabilities = softmax_of(plan.output(0), shape.classes);
  if (model.has_attention()) out.attention = attention_of(plan.output(1), outputs[1].value.shape());
  return out;
}

}  // namespace saltus::lama
