#include "ops/op_cases.h"

#include <fmt/format.h>

namespace saltus::tests {
namespace {

using V = const std::vector<Var>&;

Var f32(Graph& g, Shape s) {
  static int serial = 0;
  return g.input(fmt::format("x{}", serial++), s);
}
Var i32(Graph& g, Shape s) { return g.input("ids", s, DType::i32); }

/// The constants -1, -0.75, -0.5, ... in x's graph.
Var ramp(Var x, Shape s) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < s.size(); ++i) values.push_back(-1 + 0.25 * static_cast<double>(i));
  return x.graph->constant(values, s);
}

/// Refused because the shapes do not broadcast.
std::function<Var(Graph&)> mismatched(Var (*op)(Var, Var)) {
  return [op](Graph& g) { return op(f32(g, {2, 3}), f32(g, {4, 3})); };
}

void elementwise(std::vector<OpCase>& t) {
  const Shape odd = {3, 7, 5};  // 105 elements: whole vectors and a tail
  t.push_back({"affine", "scale and shift", {{odd}}, [](V x, V) { return 2.5 * x[0] - 1.0; }});
  t.push_back({"exp", "", {{odd}}, [](V x, V) { return exp(x[0]); }});
  t.push_back({"log", "", {{odd}, true}, [](V x, V) { return log(x[0]); }});
  t.push_back({"sqrt", "", {{odd}, true}, [](V x, V) { return sqrt(x[0]); }});
  t.push_back({"tanh", "", {{odd}}, [](V x, V) { return tanh(x[0]); }});
  t.push_back({"sigmoid", "", {{odd}}, [](V x, V) { return sigmoid(x[0]); }});
  t.push_back({"relu", "", {{odd}}, [](V x, V) { return relu(x[0] * x[0] - 0.5); }});
  // Given indices instead of numbers, the graph refuses them before the op sees them.
  t.push_back({"silu", "", {{odd}}, [](V x, V) { return silu(3.0 * x[0]); }, [](Graph& g) { return silu(i32(g, {3})); },
               "silu: input 0 must be f32"});
  t.push_back({"silu_grad", "", {{odd}}, [](V x, V) { return silu_grad(3.0 * x[0]); },
               [](Graph& g) { return silu_grad(i32(g, {3})); }, "silu_grad: input 0 must be f32"});
  t.push_back({"detach", "a constant factor", {{odd}}, [](V x, V) { return exp(x[0]) * detach(x[0].graph->constant(2.5)); }});
  t.push_back({"again", "", {{odd}}, [](V x, V) { return exp(again(x[0])) * x[0]; }});
  const std::string refusal = "shapes [2, 3] and [4, 3] do not broadcast";
  t.push_back({"add", "same shape", {{odd, odd}}, [](V x, V) { return x[0] + x[1]; }, mismatched(operator+), refusal});
  t.push_back({"add", "row vector", {{odd, {5}}}, [](V x, V) { return x[0] + x[1]; }});
  t.push_back({"sub", "column", {{{4, 1}, {4, 33}}}, [](V x, V) { return x[0] - x[1]; }, mismatched(operator-), refusal});
  t.push_back({"mul", "outer", {{{3, 1, 5}, {7, 1}}}, [](V x, V) { return x[0] * x[1]; }, mismatched(operator*), refusal});
  t.push_back({"mul", "scalar", {{odd, {}}}, [](V x, V) { return x[0] * x[1]; }});
  t.push_back({"div", "same shape", {{odd, odd}, true}, [](V x, V) { return x[0] / x[1]; }, mismatched(operator/), refusal});
  t.push_back({"gate", "", {{odd, odd}}, [](V x, V) { return gate(x[0] * x[0], x[1]); }, mismatched(gate), refusal});
}

void shapes(std::vector<OpCase>& t) {
  t.push_back({"reshape", "", {{{4, 6}}}, [](V x, V) { return exp(reshape(x[0], {3, 8})); },
               [](Graph& g) { return reshape(f32(g, {4, 6}), {5, 5}); }, "reshape: [4, 6] has 24 elements, [5, 5] has 25"});
  t.push_back({"permute", "four axes", {{{2, 3, 4, 5}}}, [](V x, V) { return permute(x[0], {2, 0, 3, 1}) * 3.0; },
               [](Graph& g) { return permute(f32(g, {2, 3}), {0, 0}); }, "permute: axes must name each axis of [2, 3] once"});
  t.push_back({"broadcast_to", "", {{{3, 1, 4}}}, [](V x, V) { return broadcast_to(exp(x[0]), {2, 3, 5, 4}); },
               [](Graph& g) { return broadcast_to(f32(g, {3}), {2, 4}); }, "broadcast_to: shapes [3] and [2, 4] do not broadcast"});
  t.push_back({"slice", "middle axis", {{{3, 6, 4}}}, [](V x, V) { return exp(slice(x[0], 1, 2, 5)); },
               [](Graph& g) { return slice(f32(g, {3, 6}), 1, 2, 9); }, "slice: [2, 9) does not lie in axis 1 of [3, 6]"});
  t.push_back({"slice_view", "first axis", {{{6, 4}}}, [](V x, V) { return exp(slice(x[0], 0, 2, 5)); },
               [](Graph& g) { return slice(f32(g, {6, 4}), 0, 4, 7); }, "slice_view: [4, 7) does not lie in axis 0 of [6, 4]"});
  t.push_back({"pad", "", {{{3, 4}}}, [](V x, V) { return exp(pad(x[0], 1, 2, 1)); },
               [](Graph& g) { return pad(f32(g, {3, 4}), 1, -2, 1); }, "pad: cannot pad by -2 and 1"});
  t.push_back({"concat", "three parts", {{{2, 3, 4}, {2, 1, 4}, {2, 2, 4}}}, [](V x, V) { return exp(concat({x[0], x[1], x[2]}, 1)); },
               [](Graph& g) { return concat({f32(g, {2, 3}), f32(g, {3, 3})}, 1); },
               "concat: parts differ off axis 1: [2, 3] and [3, 3]"});
}

void reductions_and_products(std::vector<OpCase>& t) {
  t.push_back({"sum", "last axis", {{{3, 37}}}, [](V x, V) { return exp(sum(x[0], -1) * 0.1); },
               [](Graph& g) { return sum(f32(g, {3, 4}), 2); }, "axis 2 does not exist in shape [3, 4]"});
  t.push_back({"sum", "first axis, kept", {{{5, 3, 7}}}, [](V x, V) { return exp(sum(x[0], 0, true)); }});
  t.push_back({"matmul", "plain", {{{5, 7}, {7, 9}}}, [](V x, V) { return matmul(x[0], x[1]); },
               [](Graph& g) { return matmul(f32(g, {5, 7}), f32(g, {8, 9})); }, "matmul: inner sizes differ: 7 and 8"});
  t.push_back({"matmul", "a transposed", {{{7, 5}, {7, 9}}}, [](V x, V) { return matmul(x[0], x[1], true); }});
  t.push_back({"matmul", "b transposed", {{{5, 7}, {9, 7}}}, [](V x, V) { return matmul(x[0], x[1], false, true); }});
  t.push_back({"matmul", "both transposed", {{{7, 5}, {9, 7}}}, [](V x, V) { return matmul(x[0], x[1], true, true); }});
  // A constant is what several runs share (autodiff/runs.h).
  t.push_back({"matmul", "a constant b", {{{3, 4, 8}}}, [](V x, V) { return matmul(x[0], ramp(x[0], {8, 5})); }});
  t.push_back({"matmul", "a constant a", {{{3, 8, 5}}}, [](V x, V) { return matmul(ramp(x[0], {4, 8}), x[0]); }});
  t.push_back({"mul", "a constant row", {{{3, 4, 5}}}, [](V x, V) { return x[0] * ramp(x[0], {5}); }});
  t.push_back({"concat", "a constant part", {{{3, 4}}}, [](V x, V) { return concat({x[0], ramp(x[0], {3, 2})}, 1); }});
  t.push_back({"matmul", "one weight for a batch", {{{3, 17, 8}, {8, 33}}}, [](V x, V) { return matmul(x[0], x[1]); }});
  t.push_back({"matmul", "one transposed weight for a batch", {{{3, 17, 8}, {33, 8}}},
               [](V x, V) { return matmul(x[0], x[1], false, true); }});
  t.push_back({"matmul", "batch against batch", {{{3, 17, 8}, {3, 17, 8}}}, [](V x, V) { return matmul(x[0], x[1], false, true); }});
  t.push_back({"matmul", "heads share a batch", {{{2, 3, 4, 6}, {1, 3, 6, 5}}}, [](V x, V) { return matmul(x[0], x[1]); }});
  t.push_back({"matmul", "broadcast batch, a transposed", {{{1, 3, 6, 4}, {2, 1, 6, 5}}}, [](V x, V) { return matmul(x[0], x[1], true); }});
  t.push_back({"softmax", "", {{{4, 19}}}, [](V x, V) { return softmax(x[0]); }, [](Graph& g) { return softmax(f32(g, {})); },
               "softmax: needs a last axis, got []"});
  t.push_back({"softmax", "causal", {{{2, 3, 5, 5}}}, [](V x, V) { return causal_softmax(x[0]); },
               [](Graph& g) { return causal_softmax(f32(g, {5, 3})); }, "no more queries than keys, got [5, 3]"});
  t.push_back({"softmax", "causal, last queries only", {{{2, 2, 17}}}, [](V x, V) { return causal_softmax(x[0]); }});
  t.push_back({"softmax_grad", "", {{{4, 19}, {4, 19}}}, [](V x, V) { return softmax_grad(x[0], x[1]); },
               [](Graph& g) { return softmax_grad(f32(g, {2, 3}), f32(g, {3, 2})); }, "softmax_grad: operands must be [..., n] alike, got [2, 3] and [3, 2]"});
  t.push_back({"log_softmax", "", {{{4, 19}}}, [](V x, V) { return log_softmax(x[0]); },
               [](Graph& g) { return log_softmax(f32(g, {})); }, "log_softmax: needs a last axis, got []"});
}

void indexed_and_fused(std::vector<OpCase>& t) {
  t.push_back({"dropout", "", {{{3, 5, 7}}, false, {{3}}, 100}, [](V x, V ids) { return dropout(exp(x[0]), ids[0], 0.4, 2); },
               [](Graph& g) { return dropout(f32(g, {3, 5}), i32(g, {5}), 0.4, 0); },
               "dropout: x must be [batch, ...] and key [batch], got [3, 5] and [5]"});
  t.push_back({"take", "", {{{5, 9}}, false, {{2, 3}}, 5}, [](V x, V ids) { return exp(take(x[0], ids[0])); },
               [](Graph& g) { return take(f32(g, {5}), i32(g, {2})); }, "take: the table must be [rows, n], got [5]"});
  t.push_back({"scatter_add", "", {{{2, 3, 9}}, false, {{2, 3}}, 4}, [](V x, V ids) { return exp(scatter_add(x[0], ids[0], 4)); },
               [](Graph& g) { return scatter_add(f32(g, {2, 3}), i32(g, {3}), 4); }, "scatter_add: x must be [ids..., n]"});
  t.push_back({"one_hot", "", {{{3, 4}}, false, {{3}}, 4}, [](V x, V ids) { return x[0] * one_hot(ids[0], 4); },
               [](Graph& g) { return one_hot(i32(g, {3}), 0); }, "one_hot: needs one class or more, got 0"});
  t.push_back({"softmax_cross_entropy", "", {{{6, 11}}, false, {{6}}, 11}, [](V x, V ids) { return softmax_cross_entropy(x[0], ids[0]); },
               [](Graph& g) { return softmax_cross_entropy(f32(g, {6, 11}), i32(g, {5})); },
               "softmax_cross_entropy: logits must be [labels..., classes], got [6, 11] with labels [5]"});
  t.push_back({"layer_norm", "", {{{4, 13}, {13}, {13}}}, [](V x, V) { return layer_norm(x[0], x[1], x[2]); },
               [](Graph& g) { return layer_norm(f32(g, {4, 13}), f32(g, {12}), f32(g, {13})); },
               "layer_norm: gain and bias must be [13], got [12] and [13]"});
  t.push_back({"rms_norm", "", {{{2, 3, 21}, {21}}}, [](V x, V) { return rms_norm(x[0], x[1]); },
               [](Graph& g) { return rms_norm(f32(g, {4, 13}), f32(g, {12})); }, "rms_norm: gain must be [13], got [12]"});
}

/// 19 channels: whole vectors and a rest; more taps than are summed together; a window as long as what it slides over.
void convolutions(std::vector<OpCase>& t) {
  struct Size {
    std::int64_t n, width;
  };
  for (const auto& [n, width] : {Size{6, 4}, Size{1, 3}, Size{2, 7}, Size{5, 1}}) {
    const std::string what = fmt::format("{} places, {} taps", n, width);
    const Shape x = {2, 3, n + width - 1, 19}, y = {2, 3, n, 19}, w = {3, width, 19};
    t.push_back({"depthwise_conv", what, {{x, w}}, [](V v, V) { return exp(0.1 * depthwise_conv(v[0], v[1])); }});
    t.push_back({"depthwise_conv_transposed", what, {{y, w}}, [](V v, V) { return exp(0.1 * depthwise_conv_transposed(v[0], v[1])); }});
    t.push_back({"depthwise_conv_taps", what, {{x, y}}, [](V v, V) { return exp(0.1 * depthwise_conv_taps(v[0], v[1])); }});
  }
  t.push_back({"depthwise_conv", "wider than long", {{{3, 4}, {3, 4}}}, [](V v, V) { return depthwise_conv(v[0], v[1]); },
               [](Graph& g) { return depthwise_conv(f32(g, {3, 4}), f32(g, {5, 4})); }, "depthwise_conv: 3 rows are too few for 5 at a time"});
  t.push_back({"depthwise_conv_transposed", "other channels", {{{3, 4}, {3, 4}}}, [](V v, V) { return depthwise_conv_transposed(v[0], v[1]); },
               [](Graph& g) { return depthwise_conv_transposed(f32(g, {3, 4}), f32(g, {3, 1})); },
               "depthwise_conv_transposed: operands must be [..., rows, channel] alike, got [3, 4] and [3, 1]"});
  t.push_back({"depthwise_conv_taps", "longer than what it came from", {{{3, 4}, {3, 4}}}, [](V v, V) { return depthwise_conv_taps(v[0], v[1]); },
               [](Graph& g) { return depthwise_conv_taps(f32(g, {3, 4}), f32(g, {4, 4})); }, "depthwise_conv_taps: 3 rows are too few for 4 at a time"});
}

/// Tokens of three samples with 5 columns of 3 features, and of one more than whole vectors of samples (19 > 16); KQ and OV of two heads.
/// KQ is scaled so that the scores are below 1: sums near 0 would make the ablated weights badly conditioned.
void causal_products(std::vector<OpCase>& t) {
  for (const std::int64_t n : {1, 3, 5, 8, 17}) {
    const std::string what = fmt::format("{} rows, heads share a batch", n);
    const Shape rows = {1, 2, n, 19}, more = {2, 2, n, 19}, square = {2, 2, n, n};
    t.push_back({"causal_dots", what, {{more, rows}}, [](V x, V) { return exp(0.1 * causal_dots(x[0], x[1])); }});
    t.push_back({"causal_apply", what, {{square, rows}}, [](V x, V) { return causal_apply(x[0], x[1]); }});
    t.push_back({"causal_apply_transposed", what, {{square, rows}}, [](V x, V) { return causal_apply_transposed(x[0], x[1]); }});
  }
  t.push_back({"causal_dots", "other lengths", {{{3, 4}, {3, 4}}}, [](V x, V) { return causal_dots(x[0], x[1]); },
               [](Graph& g) { return causal_dots(f32(g, {3, 4}), f32(g, {2, 4})); }, "causal_dots: operands must be [..., position, width] alike"});
  t.push_back({"causal_apply", "not square", {{{3, 3}, {3, 4}}}, [](V x, V) { return causal_apply(x[0], x[1]); },
               [](Graph& g) { return causal_apply(f32(g, {3, 2}), f32(g, {3, 4})); }, "causal_apply: needs a square [..., n, n]"});
  t.push_back({"causal_apply_transposed", "other rows", {{{3, 3}, {3, 4}}}, [](V x, V) { return causal_apply_transposed(x[0], x[1]); },
               [](Graph& g) { return causal_apply_transposed(f32(g, {3, 3}), f32(g, {2, 4})); }, "needs a square [..., n, n] and rows"});
}

/// Rows whose first five columns are a one-hot code.
Var coded(V x, V ids) { return concat({one_hot(ids[0], 5), x[0]}, -1); }

void one_hot_products(std::vector<OpCase>& t) {
  t.push_back({"one_hot_matmul", "", {{{2, 6, 7}, {12, 9}}, false, {{2, 6}}, 5}, [](V x, V ids) { return exp(0.1 * one_hot_matmul(coded(x, ids), x[1], 5)); },
               [](Graph& g) { return one_hot_matmul(f32(g, {3, 4}), f32(g, {4, 2}), 5); }, "the one must be in the first 1 to 4 columns, not 5"});
  t.push_back({"one_hot_matmul", "heads share rows", {{{1, 6, 7}, {2, 12, 9}}, false, {{1, 6}}, 5},
               [](V x, V ids) { return one_hot_matmul(coded(x, ids), x[1], 5); },
               [](Graph& g) { return one_hot_matmul(f32(g, {3, 4}), f32(g, {5, 2}), 2); }, "one_hot_matmul: inner sizes differ: [3, 4] and [5, 2]"});
  t.push_back({"one_hot_matmul_grad", "", {{{1, 6, 7}, {2, 6, 9}}, false, {{1, 6}}, 5},
               [](V x, V ids) { return one_hot_matmul_grad(coded(x, ids), x[1], 5); },
               [](Graph& g) { return one_hot_matmul_grad(f32(g, {3, 4}), f32(g, {2, 4}), 2); }, "one_hot_matmul_grad: inner sizes differ"});
}

/// The same, but rows of id 4 have no one: the code is that of the first four ids alone.
Var coded_or_not(Var content, Var ids) { return concat({slice(one_hot(ids, 5), ids.shape().rank(), 0, 4), content}, -1); }

/// Sequences item, label, item, label, ..., item of items [sequence, pair + 1, n] and rows of the table [kind, n] that ids [sequence, pair] name,
/// as rows [1, sequence * (2 pairs + 1), n].
Var items_and_labels(Var items, Var table, Var ids) {
  const std::int64_t sequences = ids.shape()[0], pairs = ids.shape()[1], n = table.shape()[1];
  const Shape one_each = {sequences, pairs, 1, n};
  const Var both = concat({reshape(slice(items, 1, 0, pairs), one_each), reshape(take(table, ids), one_each)}, 2);  // [sequence, pair, 2, n]
  const Var rows = concat({reshape(both, {sequences, 2 * pairs, n}), slice(items, 1, pairs, pairs + 1)}, 1);
  return reshape(rows, {1, sequences * (2 * pairs + 1), n});
}

void repeated_rows(std::vector<OpCase>& t) {
  const auto y = [](V x, V ids) { return exp(0.1 * one_hot_matmul(coded_or_not(items_and_labels(x[0], x[1], ids[1]), ids[0]), x[2], 4, {ids[1], 5})); };
  const auto dw = [](V x, V ids) { return one_hot_matmul_grad(coded_or_not(items_and_labels(x[0], x[1], ids[1]), ids[0]), x[2], 4, {ids[1], 5}); };
  // Heads share rows; and more sequences than are packed at a time.
  t.push_back({"one_hot_matmul", "repeated rows", {{{2, 3, 7}, {5, 7}, {2, 11, 9}}, false, {{1, 10}, {2, 2}}, 5}, y,
               [](Graph& g) { return one_hot_matmul(f32(g, {10, 12}), f32(g, {12, 9}), 5, {i32(g, {3, 2}), 5}); },
               "one_hot_matmul: ids [sequence, n] need rows of as many sequences of 2 n + 1, got [10, 12] with ids [3, 2]"});
  t.push_back({"one_hot_matmul_grad", "repeated rows", {{{2, 3, 7}, {5, 7}, {2, 10, 9}}, false, {{1, 10}, {2, 2}}, 5}, dw,
               [](Graph& g) { return one_hot_matmul_grad(f32(g, {10, 12}), f32(g, {10, 9}), 5, {i32(g, {2, 2}), 0}); },
               "one_hot_matmul_grad: ids need one kind or more, got 0"});
  t.push_back({"one_hot_matmul", "many sequences", {{{40, 2, 1}, {5, 1}, {5, 2}}, false, {{1, 120}, {40, 1}}, 5}, y});
  t.push_back({"one_hot_matmul_grad", "many sequences", {{{40, 2, 1}, {5, 1}, {1, 120, 2}}, false, {{1, 120}, {40, 1}}, 5}, dw});
}

void query_attention_rows(std::vector<OpCase>& t) {
  const std::vector<std::pair<ContextWeights, std::string>> kinds = {
      {ContextWeights::softmax, "softmax"}, {ContextWeights::one_plus, "one_plus"}, {ContextWeights::relu, "relu"},
      {ContextWeights::tanh, "tanh"},       {ContextWeights::sigmoid, "sigmoid"},   {ContextWeights::linear, "linear"}};
  for (const auto& [weights, name] : kinds) {
    const auto y = [w = weights](V x, V) { return query_attention(x[0], 0.15 * x[1], x[2], w); };
    const auto packed = [w = weights](V x, V) { return query_attention_grad(x[0], 0.15 * x[1], x[2], x[3], w); };
    t.push_back({"query_attention", name, {{{3, 3, 6}, {2, 3, 3}, {2, 2, 3}}}, y});
    t.push_back({"query_attention_grad", name, {{{3, 3, 6}, {2, 3, 3}, {2, 2, 3}, {3, 2}}}, packed});
  }
  t.push_back({"query_attention", "more samples than lanes", {{{19, 2, 4}, {1, 2, 2}, {1, 1, 2}}},
               [](V x, V) { return query_attention(x[0], x[1], x[2], ContextWeights::softmax); },
               [](Graph& g) { return query_attention(f32(g, {3, 5, 4}), f32(g, {2, 5, 4}), f32(g, {2, 1, 5}), ContextWeights::softmax); },
               "query_attention: KQ must be [head, 5, 5], got [2, 5, 4]"});
  t.push_back({"query_attention", "guarded sums", {{{4, 2, 4}, {1, 2, 2}, {1, 1, 2}}},
               [](V x, V) { return query_attention(x[0], 4.0 * x[1], x[2], ContextWeights::one_plus); },
               [](Graph& g) { return query_attention(f32(g, {3, 5, 1}), f32(g, {2, 5, 5}), f32(g, {2, 1, 5}), ContextWeights::softmax); },
               "tokens must be [batch, feature, position] with two positions or more, got [3, 5, 1]"});
  t.push_back({"query_attention", "linear with a length of its own", {{{3, 2, 5}, {1, 2, 2}, {1, 1, 2}}},
               [](V x, V) { return query_attention(x[0], x[1], x[2], ContextWeights::linear, 7); },
               [](Graph& g) { return query_attention(f32(g, {3, 5, 4}), f32(g, {2, 5, 5}), f32(g, {1, 1, 5}), ContextWeights::linear); },
               "query_attention: OV must be [2, output, 5], got [1, 1, 5]"});
  t.push_back({"query_attention_grad", "more samples than lanes", {{{19, 2, 4}, {1, 2, 2}, {1, 1, 2}, {19, 1}}},
               [](V x, V) { return query_attention_grad(x[0], x[1], x[2], x[3], ContextWeights::softmax); },
               [](Graph& g) {
                 return query_attention_grad(f32(g, {3, 5, 4}), f32(g, {2, 5, 5}), f32(g, {2, 1, 5}), f32(g, {3, 2}), ContextWeights::softmax);
               },
               "query_attention_grad: dy must be [3, 1], got [3, 2]"});
}

/// Two sequences of three words, one of them padded; what each refuses.
void gru_rows(std::vector<OpCase>& t) {
  const auto mask = [](V x, std::vector<double> ones) { return x[0].graph->constant(std::move(ones), {2, 3}); };
  const Operands in = {{{2, 3, 2}, {2, 6}, {2, 6}, {6}, {6}}};
  for (const bool reverse : {false, true}) {
    const std::string way = reverse ? "reverse, " : "";
    const auto y = [=](std::vector<double> ones) {
      return [=](V x, V) { return gru(x[0], x[1], x[2], x[3], x[4], mask(x, ones), reverse); };
    };
    t.push_back({"gru", way + "ragged", in, y({1, 1, 0, 1, 1, 1})});
    t.push_back({"gru_states", way + "one is empty", in, y({1, 1, 1, 0, 0, 0})});
    Operands back = in;
    back.values.push_back({2, 3, 2});
    t.push_back({"gru_grad", way + "ragged", back, [=](V x, V) {
                   return gru_grad(x[0], x[1], x[2], x[3], x[4], mask(x, {1, 1, 1, 1, 0, 0}), x[5], reverse);
                 }});
  }
  const auto refused = [&t, &in](const std::string& op, std::size_t operand, const Shape& wrong, const std::string& why) {
    const auto expression = [](V x, V) {
      const Var ones = x[0].graph->constant(std::vector<double>(6, 1), {2, 3});
      const Var y = gru(x[0], x[1], x[2], x[3], x[4], ones);
      return gru_grad(x[0], x[1], x[2], x[3], x[4], ones, 2.0 * y);
    };
    const auto misuse = [operand, wrong](Graph& g) {
      std::vector<Shape> shapes = {{2, 3, 4}, {4, 15}, {5, 15}, {15}, {15}, {2, 3}, {2, 3, 5}};
      shapes[operand] = wrong;
      std::vector<Var> x;
      for (const Shape& s : shapes) x.push_back(f32(g, s));
      return gru_grad(x[0], x[1], x[2], x[3], x[4], x[5], x[6]);
    };
    t.push_back({op, why, in, expression, misuse, why});
  };
  refused("gru", 0, {2, 3}, "gru: x must be [batch, T, E], got [2, 3]");
  refused("gru", 1, {4, 5}, "gru: W must be [4, 15], got [4, 5]");
  refused("gru", 2, {5, 5}, "gru: U must be [h, 3 h], got [5, 5]");
  refused("gru", 4, {5}, "gru: b and c must be [15], got [15] and [5]");
  refused("gru_states", 5, {3, 2}, "gru: mask must be [2, 3], got [3, 2]");
  refused("gru_grad", 6, {2, 3, 4}, "gru_grad: dy must be [2, 3, 5], got [2, 3, 4]");
}

/// Texts of up to four of five words: some occur twice, in one text or in both, others never.
void embedded_gru_rows(std::vector<OpCase>& t) {
  const Operands in = {{{5, 3}, {3, 6}, {2, 6}, {6}, {6}, {3, 6}, {2, 6}, {6}, {6}}, false, {{2, 4}}, 5};
  const auto y = [](std::vector<double> ones) {
    return [ones = std::move(ones)](V x, V ids) {
      return embedded_gru(x[0], ids[0], x[0].graph->constant(ones, {2, 4}), {x[1], x[2], x[3], x[4]},
                          {x[5], x[6], x[7], x[8]});
    };
  };
  t.push_back({"embedded_gru", "ragged", in, y({1, 1, 1, 0, 1, 1, 1, 1})});
  t.push_back({"embedded_gru_states", "one is empty", in, y({1, 1, 1, 1, 0, 0, 0, 0})});
  Operands back = in;
  back.values.push_back({2, 4, 4});
  t.push_back({"embedded_gru_grad", "ragged", back, [](V x, V ids) {
                 const Var ones = x[0].graph->constant({1, 1, 1, 1, 1, 1, 0, 0}, {2, 4});
                 return embedded_gru_grad(x[0], ids[0], ones, {x[1], x[2], x[3], x[4]}, {x[5], x[6], x[7], x[8]}, x[9]);
               }});
  const auto refused = [&](const std::string& op, std::size_t operand, const Shape& wrong, const std::string& why) {
    const auto misuse = [operand, wrong](Graph& g) {
      std::vector<Shape> shapes = {{9, 4}, {2, 3},  {2, 3},  {4, 15}, {5, 15}, {15},
                                   {15},   {4, 15}, {5, 15}, {15},    {15},    {2, 3, 10}};
      shapes[operand] = wrong;
      std::vector<Var> x;
      for (std::size_t i = 0; i < shapes.size(); ++i) x.push_back(i == 1 ? i32(g, shapes[i]) : f32(g, shapes[i]));
      return embedded_gru_grad(x[0], x[1], x[2], {x[3], x[4], x[5], x[6]}, {x[7], x[8], x[9], x[10]}, x[11]);
    };
    const auto expression = [y](V x, V ids) {
      const Var h = y({1, 1, 1, 1, 1, 1, 1, 1})(x, ids);
      const Var ones = x[0].graph->constant(std::vector<double>(8, 1), {2, 4});
      return embedded_gru_grad(x[0], ids[0], ones, {x[1], x[2], x[3], x[4]}, {x[5], x[6], x[7], x[8]}, 2.0 * h);
    };
    t.push_back({op, why, in, expression, misuse, why});
  };
  refused("embedded_gru", 0, {9}, "embedded_gru: the table must be [V, E], got [9]");
  refused("embedded_gru", 1, {2}, "embedded_gru: ids must be [batch, T], got [2]");
  refused("embedded_gru_states", 2, {3, 2}, "embedded_gru: mask must be [2, 3], got [3, 2]");
  refused("embedded_gru", 4, {5, 5}, "embedded_gru: U must be [h, 3 h], got [5, 5]");
  refused("embedded_gru", 7, {4, 5}, "embedded_gru: W must be [4, 15], got [4, 5]");
  refused("embedded_gru", 8, {4, 12}, "embedded_gru: U must be [5, 15] both ways, got [4, 12]");
  refused("embedded_gru", 9, {5}, "embedded_gru: b and c must be [15], got [5] and [15]");
  refused("embedded_gru_grad", 11, {2, 3, 5}, "embedded_gru_grad: dy must be [2, 3, 10], got [2, 3, 5]");
}

}  // namespace

const std::vector<OpCase>& op_cases() {
  static const std::vector<OpCase> table = [] {
    std::vector<OpCase> t;
    elementwise(t);
    shapes(t);
    reductions_and_products(t);
    indexed_and_fused(t);
    causal_products(t);
    convolutions(t);
    one_hot_products(t);
    repeated_rows(t);
    query_attention_rows(t);
    gru_rows(t);
    embedded_gru_rows(t);
    return t;
  }();
  return table;
}

}  // namespace saltus::tests
