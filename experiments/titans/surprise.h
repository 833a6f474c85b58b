#pragma once
#include <vector>

#include "experiments/titans/memory.h"

namespace saltus::titans {

/// How hard the tokens of a sequence pull at the memory. A row is one head of one sequence.
struct Surprise {
  Var norm;  // [row, position]: |u_t|, u_t = grad_M |M(k_t) - v_t|^2 at the first weights M of t's chunk, all layers
             // together
  Var alignment;  // [row, chunk]: cos(S, -u_t) of the momentum S that a chunk begins with and its first token's u_t; 0
                  // where S or u_t is
};

/// In closed form: of each layer u_t is the product of its input A_t and the gradient g_t
/// at its output, so that |u_t|^2 = sum_l |A_t|^2 |g_t|^2 and <S, u_t> = sum_l A_t S g_t', and no u_t is ever made.
Surprise surprises(const MemoryInputs& in, MemoryState state, const std::vector<Var>& initial,
                   const MemoryOptions& options);

/// |S| of layers [row, in, out], all together: [row].
Var state_norm(const std::vector<Var>& S);

}  // namespace saltus::titans
