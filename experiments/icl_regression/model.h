#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "config/fields.h"
#include "data/linear_regression.h"
#include "nn/params.h"
#include "train/system.h"

namespace saltus::icl_regression {

/// One layer of multi-head attention from the query to the context, without biases, MLP or positions: at the defaults
/// the softmax model of He, Pan, Chen, Yang 2025 (arXiv 2503.12734, section 2), every parameter starting as PyTorch's
/// nn.Linear does (W_Q, W_K, W_V uniform within 1 / sqrt(D), W_O within 1 / sqrt(n_heads D)). With attention: linear,
/// merged parameters make the merged key-query model of Y. Zhang et al. 2025 (arXiv 2501.16265), merged_values of low
/// `rank` its separate one, up to the 1 / sqrt(D) in KQ. Of the merged parameters, W_KQ starts as W_Q would and W_OV as
/// W_O would.
struct ModelConfig {
  std::int64_t n_heads = 2;
  std::string parameters = "factored";
  std::optional<std::int64_t> rank;
  std::string attention = "softmax";
  std::optional<std::int64_t> linear_length;
  std::string init = "pytorch";
  std::optional<double> init_scale;

  void fields(Fields& f);
};

/// Records the model for `batch` samples and returns the squared error, averaged over samples and outputs. D = d + N
/// features, L context columns Z, query column z_q:
///   prediction = sum_h OV_h Z p_h,  p_h = weights of the scores z_l' KQ_h z_q over l < L (ops/ops.h: ContextWeights)
///
/// Parameters: blocks.0.attn.W_Q and W_K [head, rank = D, D], W_V [head, D, D], W_O [head, N, D], which make
/// KQ = W_K' W_Q / sqrt(D) and OV = W_O W_V; or, merged, blocks.0.attn.W_KQ = KQ and blocks.0.attn.W_OV = OV; or, with
/// merged_values, W_Q, W_K and W_OV.
/// Inputs: tokens [batch, feature = D, position = L+1], target [batch, task = N].
/// Taps: blocks.0.attn.KQ [head, key = D, query = D], blocks.0.attn.OV [head, N, D],
/// blocks.0.attn.pattern [head, batch, 1, L], prediction [batch, N]. Both purposes record the same function.
///
/// To measure linear attention at another length than it was trained on, give `task` the other length and
/// `model.linear_length` the training length.
Var record(Graph& graph, ParamStore& params, const LinearRegressionConfig& task, const ModelConfig& model,
           std::int64_t batch, Purpose purpose);

}  // namespace saltus::icl_regression
