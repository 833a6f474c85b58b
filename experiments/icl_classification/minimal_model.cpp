#include "experiments/icl_classification/minimal_model.h"

#include <fmt/format.h>

#include "ops/ops.h"

namespace saltus::icl_classification {
namespace {

/// The matrix [rows, columns] of 1 where holds(query, key), else 0, for the last `rows` of `columns` tokens as queries.
template <class Holds>
Var indicator(Graph& graph, std::int64_t rows, std::int64_t columns, Holds holds) {
  std::vector<double> values;
  for (std::int64_t query = columns - rows; query < columns; ++query) {
    for (std::int64_t key = 0; key < columns; ++key) values.push_back(holds(query, key) ? 1 : 0);
  }
  return graph.constant(std::move(values), {rows, columns});
}

}  // namespace

void MinimalConfig::fields(Fields& f) {
  f.section("previous_token", previous_token, "beta_1: layer 1's score of the token before");
  f.section("match", match, "alpha: layer 2's score of a token whose predecessors resemble the query");
  f.section("labels", labels, "beta_2: layer 2's score of tokens at odd distance, to the target the labels");
  f.field("scalar_scale", scalar_scale,
          "s: the three are s times what is trained, so that sgd moves them at s^2 times the learning rate, adam at s "
          "times",
          above(0));
  f.require(
      scalar_scale == 1 || previous_token.train || match.train || labels.train, "scalar_scale",
      fmt::format("scalar_scale {} is about what is trained, and none of the three numbers is: use 1", scalar_scale));
  f.choice("classifier_input", classifier_input, {"pair", "sum"},
           "the target's content and layer 2's output side by side, or their sum");
  classifier_fields(f);
}

Var record_minimal(Graph& graph, ParamStore& params, const IclClassificationConfig& task, const MinimalConfig& model,
                   std::int64_t batch, Purpose purpose) {
  const std::int64_t n = task.n_tokens(), dim = task.item_dim, queries = purpose == Purpose::measure ? n : 1;
  const Var tokens = graph.input("tokens", {batch, n, task.d_model()});        // [batch, position, d_model]
  const Var content = slice(tokens, -1, task.position_dim(), task.d_model());  // [batch, position, item]
  const Var beta1 = record_scalar(graph, params, "previous_token_strength", model.previous_token, model.scalar_scale);
  const Var alpha = record_scalar(graph, params, "match_strength", model.match, model.scalar_scale);
  const Var beta2 = record_scalar(graph, params, "label_strength", model.labels, model.scalar_scale);

  // Layer 1 knows positions only, so one matrix serves all sequences.
  const Var is_previous = indicator(graph, n, n, [](auto i, auto j) { return j == i - 1; });  // [position, position]
  const Var p1 = causal_softmax(beta1 * is_previous);                                         // [position, position]
  graph.tap("blocks.0.attn.pattern", broadcast_to(p1, {1, batch, n, n}));

  // c_i . b_j = sum_k p1_jk c_i . c_k: contents meet once, and no buffer b is made.
  const Var query = slice(content, 1, n - queries, n);                               // [batch, query, item]
  const Var matches = matmul(matmul(query, content, false, true), p1, false, true);  // [batch, query, position]
  const Var at_odd_distance =
      indicator(graph, queries, n, [](auto i, auto j) { return (i - j) % 2 != 0; });  // [query, position]
  const Var p2 = causal_softmax(alpha * matches + beta2 * at_odd_distance);           // [batch, query, position]
  graph.tap("blocks.1.attn.pattern", reshape(p2, {1, batch, queries, n}));

  const Var target = reshape(slice(content, 1, n - 1, n), {batch, dim});                          // [batch, item]
  const Var output = reshape(matmul(slice(p2, 1, queries - 1, queries), content), {batch, dim});  // [batch, item]
  const Var input =
      model.classifier_input == "pair" ? concat({target, output}, -1) : target + output;  // [batch, d_input]
  const Var logits = classify(graph, params, model, task.n_labels, input, "d_input");     // [batch, label]
  graph.tap("logits", logits);
  return mean_all(softmax_cross_entropy(logits, graph.input("label", {batch}, DType::i32)));
}

}  // namespace saltus::icl_classification
