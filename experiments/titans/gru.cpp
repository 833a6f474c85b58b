#include "experiments/titans/gru.h"

#include "experiments/titans/chunks.h"

namespace saltus::titans {

GruOutput gru(Var x, const GruWeights& w, Var state) {
  const std::int64_t n = state.shape()[1];
  const Var from_inputs = permute(matmul(x, w.W_input) + w.b_input, {1, 0, 2});  // [position, batch, 3 hidden]
  const Var gates_in = slice(from_inputs, 2, 0, 2 * n), candidates_in = slice(from_inputs, 2, 2 * n, 3 * n);
  const std::vector<Var> gates = unstack(gates_in), candidates = unstack(candidates_in);
  std::vector<Var> states;
  for (std::size_t t = 0; t < gates.size(); ++t) {
    const Var from_state = matmul(state, w.W_hidden) + w.b_hidden;      // [batch, 3 hidden]
    const Var rz = sigmoid(gates[t] + slice(from_state, 1, 0, 2 * n));  // [batch, 2 hidden]
    const Var r = slice(rz, 1, 0, n), z = slice(rz, 1, n, 2 * n);       // [batch, hidden]
    const Var candidate = tanh(candidates[t] + r * slice(from_state, 1, 2 * n, 3 * n));
    state = candidate + z * (state - candidate);
    states.push_back(state);
  }
  return {permute(stack(states), {1, 0, 2}), state};
}

}  // namespace saltus::titans
