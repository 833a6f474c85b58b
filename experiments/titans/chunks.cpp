#include "experiments/titans/chunks.h"

namespace saltus::titans {
namespace {

void unstack_into(std::vector<Var>& parts, Var x) {
  const std::int64_t n = x.shape()[0];
  if (n == 1) {
    parts.push_back(reshape(x, x.shape().without(0)));
    return;
  }
  unstack_into(parts, slice(x, 0, 0, n / 2));
  unstack_into(parts, slice(x, 0, n / 2, n));
}

/// Ones where a block of `size` rows meets the block of as many columns before it, both in one diagonal block of twice
/// the size.
Var joints(Graph& graph, std::int64_t n, std::int64_t size) {
  std::vector<double> ones;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) ones.push_back(i / size % 2 == 1 && j / size == i / size - 1 ? 1 : 0);
  }
  return graph.constant(std::move(ones), {n, n});
}

}  // namespace

Var into_chunks(Var x, std::int64_t chunk) {
  const std::int64_t n = (x.shape()[1] + chunk - 1) / chunk;
  const Var padded = pad(x, 1, 0, n * chunk - x.shape()[1]);
  const Shape split = padded.shape().with(1, chunk).inserted(1, n);
  return split.rank() == 3 ? permute(reshape(padded, split), {1, 0, 2}) : permute(reshape(padded, split), {1, 0, 2, 3});
}

Var from_chunks(Var x, std::int64_t positions) {
  const Shape& s = x.shape();
  return slice(reshape(permute(x, {1, 0, 2, 3}), {s[1], s[0] * s[2], s[3]}), 1, 0, positions);
}

std::vector<Var> unstack(Var x) {
  std::vector<Var> parts;
  unstack_into(parts, x);
  return parts;
}

Var stack(const std::vector<Var>& parts) {
  std::vector<Var> rows;
  for (Var part : parts) rows.push_back(reshape(part, part.shape().inserted(0, 1)));
  return concat(std::move(rows), 0);
}

Var lower_triangle(Graph& graph, std::int64_t n) {
  std::vector<double> ones;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) ones.push_back(j <= i ? 1 : 0);
  }
  return graph.constant(std::move(ones), {n, n});
}

Var cumulative_sum(Var x) { return matmul(x, lower_triangle(*x.graph, x.shape()[-1]), false, true); }

Var inverse_of_unit_lower(Var A) {
  Graph& graph = *A.graph;
  const std::int64_t n = A.shape()[-1];
  std::vector<double> identity(static_cast<std::size_t>(n * n), 0.0);
  for (std::int64_t i = 0; i < n; ++i) identity[static_cast<std::size_t>(i * n + i)] = 1;
  Var inverse = graph.constant(std::move(identity), {n, n});
  for (std::int64_t size = 1; size < n; size *= 2) {
    const Var below = A * joints(graph, n, size);
    inverse = inverse - (size == 1 ? below : matmul(matmul(inverse, below), inverse));
  }
  return inverse.shape() == A.shape() ? inverse : broadcast_to(inverse, A.shape());
}

}  // namespace saltus::titans
