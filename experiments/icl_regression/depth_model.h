#pragma once
#include <cstdint>
#include <optional>

#include "config/fields.h"
#include "data/linear_regression.h"
#include "nn/params.h"
#include "train/system.h"

namespace saltus::icl_regression {

/// A decoder on the interleaved sequence x_1, y_1, x_2, ..., x_q, trained to answer at every x (Garg et al. 2022, arXiv
/// 2208.01066); the defaults have the sizes of its tiny model.
struct DepthModelConfig {
  std::int64_t n_layers = 3;
  std::int64_t n_heads = 2;
  std::int64_t d_model = 64;
  std::int64_t mlp_width = 256;
  bool layer_norm = true;
  bool positions = true;
  std::optional<std::int64_t> max_context;
  std::optional<double> init_std;

  void fields(Fields& f);
};

/// Records the model for `batch` samples and returns the squared error, averaged over samples, all L+1 answers and
/// outputs; the answer at x_l should be y_l, with its noise, and the one at x_q the target.
/// An x becomes the token (x, 0) and a y the token (0, y), of d + N features; then
///   s = token W_E + b_E + W_pos[position]
///   n_layers times:  s += sum_h attention_h(norm(s)) W_O,  s += MLP(norm(s))
///   answer = norm(s) W_U + b_U
/// with causal softmax attention (scores over sqrt(d_model / n_heads)) and an MLP of one hidden ReLU layer.
///
/// Inputs: tokens [batch, feature = d+N, position = L+1], target [batch, task = N].
/// Taps: predictions [batch, L+1, N], prediction [batch, N], the last of them, and
/// blocks.{l}.attn.pattern [head, batch, query = 2L+1, key = 2L+1]. Both purposes record the same function.
///
/// With positions, a model is measured at another length by keeping `max_context` at what it was trained with; longer
/// is refused.
Var record(Graph& graph, ParamStore& params, const LinearRegressionConfig& task, const DepthModelConfig& model,
           std::int64_t batch, Purpose purpose);

}  // namespace saltus::icl_regression
