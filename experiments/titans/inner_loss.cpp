#include "experiments/titans/inner_loss.h"

namespace saltus::titans {

Var memory_read(const std::vector<Var>& M, Var q, bool residual) {
  Var x = q;  // [row, position, width]
  for (std::size_t l = 0; l < M.size(); ++l) x = matmul(l == 0 ? x : silu(x), M[l]);
  return residual ? q + x : x;
}

Var inner_losses(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial,
                 const MemoryOptions& options) {
  MemoryInputs at_keys = in;
  at_keys.q = in.k;
  const auto answers = [&](bool before) {
    MemoryOptions o = options;
    o.read_before_write = before;
    return memory_chunked(at_keys, state, initial, o).out;  // [row, position, d]
  };
  const auto loss = [&](Var answer) {
    const Var error = answer - in.v;
    const Var squares = sum(error * error, 2);  // [row, position]
    return reshape(squares, squares.shape().inserted(1, 1));
  };
  return concat({loss(memory_read(initial, in.k, options.residual)), loss(answers(true)), loss(answers(false))}, 1);
}

}  // namespace saltus::titans
