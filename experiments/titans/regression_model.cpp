#include "experiments/titans/regression_model.h"

#include <cmath>

namespace saltus::titans {

Var record_regression(Graph& graph, ParamStore& params, const ModelConfig& model, const DriftingRegressionConfig& task,
                      std::int64_t batch, Purpose purpose) {
  const std::int64_t T = task.n_pairs, d = task.input_dim, outputs = task.output_dim, d_model = model.d_model;
  const Var x = graph.input("x", {batch, T, d}), y = graph.input("y", {batch, T, outputs});
  const auto matrix = [&](const char* name, std::int64_t in, const char* in_name) {
    return params.declare(graph, name, {in, d_model}, {in_name, "d_model"},
                          Init::normal(1 / std::sqrt(static_cast<double>(in))));
  };
  const Var b_y = params.declare(graph, "embed.b_y", {d_model}, {"d_model"}, Init::normal(1));
  const Var x_tokens = matmul(x, matrix("embed.W_x", d, "input"));               // [batch, pair, d_model]
  const Var y_tokens = matmul(y, matrix("embed.W_y", outputs, "output")) + b_y;  // [batch, pair, d_model]
  const Shape one_a_pair = {batch, T, 1, d_model};
  const Var tokens =
      reshape(concat({reshape(x_tokens, one_a_pair), reshape(y_tokens, one_a_pair)}, 2), {batch, 2 * T, d_model});
  Carry carry;
  const Var answers = network(graph, params, carry, model, tokens, outputs, "output", purpose);  // [.., 2T, output]
  const Var predictions = reshape(slice(reshape(answers, {batch, T, 2, outputs}), 2, 0, 1), {batch, T, outputs});
  graph.tap("predictions", predictions);
  const Var error = predictions - y;
  return mean_all(error * error) / task.label_variance();
}

}  // namespace saltus::titans
