#pragma once
#include <span>
#include <vector>

#include "graph/graph.h"
#include "kernels/query_attention.h"

/// The catalogue of operations: one formula a line. Each op is one file of this folder, which holds its shape rule, its gradient
/// rule, its reference kernel and its fast kernel. Shapes broadcast as in NumPy where two operands meet elementwise.
namespace saltus {

// Elementwise, one operand
Var affine(Var x, double scale, double shift);  ///< scale x + shift
Var exp(Var x);
Var log(Var x);
Var sqrt(Var x);
Var tanh(Var x);
Var sigmoid(Var x);  ///< 1 / (1 + exp(-x))
Var relu(Var x);     ///< max(x, 0)
Var silu(Var x);     ///< x sigmoid(x)
Var silu_grad(Var x);  ///< the derivative of silu, s (1 + x (1 - s)) with s = sigmoid(x)
Var detach(Var x);     ///< x, as a value that does not depend on anything: no gradient goes through it; free
Var again(Var x);      ///< x, but never taken for x where equal nodes are computed once: what is made of it is made anew; free

// Elementwise, two operands, broadcast
Var operator+(Var a, Var b);
Var operator-(Var a, Var b);
Var operator*(Var a, Var b);
Var operator/(Var a, Var b);
Var gate(Var a, Var b);  ///< a where b > 0, else 0; no gradient to b

/// x [batch, ...] with each element of sample b kept with probability 1 - rate and then divided by it, else 0. Which ones is a function
/// of (key[b], site, element): key [batch] is i32 and names step and sample, `site` the place in the model, so a mask is the same in
/// every shard and replay, and in the gradient. Rate 0 is x itself; 1 or more, or less than 0, is refused.
Var dropout(Var x, Var key, double rate, int site);

// Shape
Var reshape(Var x, Shape shape);                               ///< same elements in the same order; free
Var permute(Var x, std::vector<int> axes);                     ///< axis i of the output is axis axes[i] of x
Var broadcast_to(Var x, Shape shape);                          ///< repeat along axes of size 1 and new leading axes
Var slice(Var x, int axis, std::int64_t first, std::int64_t last);  ///< elements [first, last) of an axis; free on axis 0
Var pad(Var x, int axis, std::int64_t before, std::int64_t after);  ///< zeros before and after along an axis
Var concat(std::vector<Var> parts, int axis);

// Reductions
Var sum(Var x, int axis, bool keep_axis = false);
Var sum_to(Var x, const Shape& shape);  ///< the adjoint of broadcast_to(x, shape)

// Linear algebra
/// op(a) op(b) over the last two axes, batched over the leading ones with broadcasting; op transposes where asked.
Var matmul(Var a, Var b, bool trans_a = false, bool trans_b = false);

// Indexing; ids are i32 and must lie in [0, rows)
Var take(Var table, Var ids);                         ///< [rows, n], [...] -> [..., n]: table[ids]
Var scatter_add(Var x, Var ids, std::int64_t rows);   ///< [..., n], [...] -> [rows, n]: sums of x over equal ids; adjoint of take
Var one_hot(Var ids, std::int64_t classes);           ///< [...] -> [..., classes]

// Over the last axis
Var softmax(Var x);
Var causal_softmax(Var x);  ///< [..., query, key]: query i sees keys j <= i + (keys - queries)
Var softmax_grad(Var y, Var dy);  ///< y (dy - sum of y dy): what flows back through y = softmax(x), causal or not, for the cotangent dy
Var log_softmax(Var x);

// Fused (ops/fused): each is defined by its decomposition into the ops above
Var softmax_cross_entropy(Var logits, Var labels);             ///< [..., C], [...] -> [...]: -log softmax(logits)[label]
Var layer_norm(Var x, Var gain, Var bias);                     ///< (x - mean) / sqrt(var + 1e-5) * gain + bias, over the last axis
Var rms_norm(Var x, Var gain);                                 ///< x / sqrt(mean of x^2 + 1e-6) * gain, over the last axis
/// Attention from the last column z_q of tokens [batch, D, L+1] to the L columns Z before it; KQ [head, D, D], OV [head, N, D]:
///   y[b, :] = sum_h OV_h Z p_h  [batch, N],  p_h = weights of the scores z_l' KQ_h z_q over l < L.
/// `length` divides linear weights; 0 means L.
Var query_attention(Var tokens, Var KQ, Var OV, ContextWeights weights, double length = 0);
/// The gradients of query_attention with respect to KQ and OV for the cotangent dy [batch, N], one after the other in one row.
Var query_attention_grad(Var tokens, Var KQ, Var OV, Var dy, ContextWeights weights, double length = 0);
/// Gated recurrent unit (Cho et al. 2014, in the form that PyTorch has) over the words of x [batch, T, E]:
///   r = sigmoid(x W_r + b_r + h U_r + c_r),  z likewise,  n = tanh(x W_n + b_n + r (h U_n + c_n)),  h' = (1 - z) n + z h
/// from h = 0; W [E, 3h], U [h, 3h], b [3h] and c [3h] hold r, z, n in that order. mask [batch, T] is 1 for a sequence's words, which
/// come first, then 0 for its padding, where the result is 0. `reverse` reads each sequence from its last word to its first.
/// -> h' of every word, [batch, T, h]. No gradient to the mask.
Var gru(Var x, Var W, Var U, Var b, Var c, Var mask, bool reverse = false);
/// The gradients of gru with respect to x, W, U, b and c for the cotangent dy [batch, T, h], one after the other in one row.
Var gru_grad(Var x, Var W, Var U, Var b, Var c, Var mask, Var dy, bool reverse = false);
/// A GRU in each direction over embedded words, x = table[ids] for table [V, E] and ids [batch, T] (any, where the mask
/// is 0): the forward one's states beside the backward one's, [batch, T, 2h]. x W is computed once for each word that
/// the batch has, however often it has it.
struct GruWeights {
  Var W, U, b, c;  // as gru's
};
Var embedded_gru(Var table, Var ids, Var mask, const GruWeights& forward, const GruWeights& backward);
/// The gradients with respect to the table and, forwards and then backwards, W, U, b and c for the cotangent dy [batch,
/// T, 2h], in one row.
Var embedded_gru_grad(Var table, Var ids, Var mask, const GruWeights& forward, const GruWeights& backward, Var dy);

/// Products over the lower triangle, j <= i, of a square matrix s [..., n, n] and rows [..., n, width], batched with broadcasting: half of the
/// work of matmul and a mask. What s has above its diagonal is not read.
Var causal_dots(Var x, Var y);              ///< s_ij = x_i . y_j for j <= i, else 0
Var causal_apply(Var s, Var x);             ///< sum over j <= i of s_ij x_j
Var causal_apply_transposed(Var s, Var y);  ///< of row j: sum over i >= j of s_ij y_i
/// x w for rows x [..., rows, d] whose first `hot` columns are a one-hot code, such as a position's: its row of w [..., d, n] is looked up instead
/// of being multiplied. A row without a one has none looked up; what else those columns hold is not read.
/// `repeated` says which rows are multiplied once for all: x is sequences of 2 n + 1 rows, one after another, and their rows 1, 3, ..., 2 n - 1
/// whose ids [sequence, n], each in [0, kinds), are equal must be equal but for the code.
struct RepeatedRows {
  Var ids = {};  // empty: none is known to be equal to another
  std::int64_t kinds = 0;
};
Var one_hot_matmul(Var x, Var w, std::int64_t hot, const RepeatedRows& repeated = {});
/// x' dy, for the same x and dy [..., rows, n]: its gradient with respect to w.
Var one_hot_matmul_grad(Var x, Var dy, std::int64_t hot, const RepeatedRows& repeated = {});

/// Convolutions of every channel with weights of its own, w [..., width, channel], batched with broadcasting. The three are one another's adjoints.
Var depthwise_conv(Var x, Var w);  ///< x [..., n + width - 1, channel] -> [..., n, channel]: y_t = sum_j w_j x_{t + j}
Var depthwise_conv_transposed(Var y, Var w);  ///< y [..., n, channel] -> x: x_s = sum_j w_j y_{s - j}
Var depthwise_conv_taps(Var x, Var y);        ///< -> w: w_j = sum_t y_t x_{t + j}

// Composed of the above; nothing but notation
inline Var operator*(Var x, double c) { return affine(x, c, 0); }
inline Var operator*(double c, Var x) { return affine(x, c, 0); }
inline Var operator+(Var x, double c) { return affine(x, 1, c); }
inline Var operator-(Var x, double c) { return affine(x, 1, -c); }
inline Var operator-(double c, Var x) { return affine(x, -1, c); }
inline Var operator/(Var x, double c) { return affine(x, 1 / c, 0); }
inline Var operator-(Var x) { return affine(x, -1, 0); }
Var mean(Var x, int axis, bool keep_axis = false);
/// The weights of query_attention, over the last axis of scores [..., L]; and those of its tokens under KQ, [head, batch, 1, L].
Var context_weights(Var scores, ContextWeights weights, double length = 0);
Var query_pattern(Var tokens, Var KQ, ContextWeights weights, double length = 0);
Var sum_all(Var x);   ///< the sum of all elements, a scalar
Var mean_all(Var x);  ///< the mean of all elements, a scalar

/// Every op of the catalogue; tests hold one row for each.
std::span<const OpDef* const> all_ops();

}  // namespace saltus
