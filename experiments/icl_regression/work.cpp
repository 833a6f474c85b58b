#include "experiments/icl_regression/work.h"

#include <algorithm>

namespace saltus::icl_regression {

/// Once a step and head: KQ of W_K and W_Q, of which the query's features that are not 0 need d columns, and OV of W_O
/// and W_V, each with two gradients.
///
/// A sample and head, with u = KQ z_q, scores z_l . u, a = Z p, answer OV a:
///   u and KQ's gradient 2 of 2 D d;  scores, a, p's gradient and u's 4 of 2 D L;  OV a and both of its gradients 3 of
///   2 N D weights 3 L forward and 4 L backward
/// Z has no gradient. Linear weights can do with G = Z Z', one for all heads and symmetric: a = G u and u's gradient
/// are 2 of 2 D^2 then. The loss: 4 N, and heads are added up.
Work work(const LinearRegressionConfig& task, const ModelConfig& model, std::int64_t batch) {
  const auto B = static_cast<double>(batch), H = static_cast<double>(model.n_heads),
             L = static_cast<double>(task.n_context);
  const auto d = static_cast<double>(task.input_dim), D = static_cast<double>(task.n_features()),
             N = static_cast<double>(task.n_tasks());
  const auto rank = static_cast<double>(model.rank.value_or(task.n_features()));
  double once = 0;
  if (model.parameters != "merged") once += trained_product_flops(D, rank, d);
  if (model.parameters == "factored") once += trained_product_flops(N, D, D);
  const double ends = 2 * product_flops(1, D, d) + 3 * product_flops(1, N, D);
  double heads = H * (4 * product_flops(1, D, L) + 7 * L);
  if (model.attention == "linear") heads = std::min(heads, D * (D + 1) * L + H * 2 * product_flops(1, D, D));
  return {.flops = H * once + B * (heads + H * ends + (H - 1) * N + 4 * N),
          .example_floats = B * (D * L + d + N),
          .kept_floats = B * H * (L + 2 * D)};  // p, a and u
}

}  // namespace saltus::icl_regression
