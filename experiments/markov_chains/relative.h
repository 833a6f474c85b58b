#pragma once
#include "ops/ops.h"

/// Matrices [..., query i, key j] out of what depends on the distance i - j, without a gather: rows are read one after
/// the other in another length, so that each begins one place further than the one before.
namespace saltus::markov_chains {

/// r [..., distance] of T distances -> [..., T, T] with r_{i-j} at j <= i and 0 elsewhere.
Var toeplitz(Var r);

/// R [..., distance, d] -> R with its rows in reverse: the distance 0 last.
Var nearest_last(Var R);

/// s [..., query, T - 1 - distance], T of both -> [..., T, T] with that of distance i - j at j <= i. What is elsewhere
/// has no meaning: mask it.
Var by_key(Var s);

/// 1 at j <= i, 0 elsewhere, [T, T].
Var causal_mask(Graph& graph, std::int64_t T);

}  // namespace saltus::markov_chains
