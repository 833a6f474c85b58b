#pragma once
#include <vector>

#include "experiments/titans/memory.h"

namespace saltus::titans {

/// M(q), of M's layers [row, in, out] and q [row, position, d]: a read that writes nothing.
Var memory_read(const std::vector<Var>& M, Var q, bool residual);

/// |M(k_t) - v_t|^2 at every token, [row, reader = 3, position], for three M: M_0, which nothing of the sequence has
/// changed; the memory before it writes token t; and after. What M_0 alone achieves is not memory of the sequence: keys
/// that tell their values by themselves.
Var inner_losses(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial,
                 const MemoryOptions& options);

}  // namespace saltus::titans
