#pragma once
#include <cstdint>
#include <vector>

#include "ops/ops.h"

/// Sequences as chunks of tokens, for layers whose work within a chunk is matrix products and between chunks a loop.
namespace saltus::titans {

/// [row, position, ...] -> [chunk, row, token, ...] with zeros after the last position; at most two axes follow
/// position.
Var into_chunks(Var x, std::int64_t chunk);
/// The way back, [chunk, row, token, d] -> [row, position, d].
Var from_chunks(Var x, std::int64_t positions);

/// x [n, ...] as its n parts [...]. Halves of halves: the gradient of n slices of one array would be n arrays as large
/// as x; this costs log n times x.
std::vector<Var> unstack(Var x);
/// n values [...] -> [n, ...]
Var stack(const std::vector<Var>& parts);

/// Ones at and below the diagonal of [n, n].
Var lower_triangle(Graph& graph, std::int64_t n);
/// Sums over the last axis up to and including each place.
Var cumulative_sum(Var x);

/// (I + A)^-1 of strictly lower triangular A [..., n, n], of which only what is below the diagonal is read, by joining
/// inverted diagonal blocks two and two:
///   [[P, 0], [B, Q]]^-1 = [[P^-1, 0], [-Q^-1 B P^-1, Q^-1]].
/// As many products as (I - A)(I + A^2)(I + A^4)..., whose powers grow like binomials for equal keys and leave nothing
/// of f32 at n = 64.
Var inverse_of_unit_lower(Var A);

}  // namespace saltus::titans
