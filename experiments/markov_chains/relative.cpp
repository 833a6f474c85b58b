#include "experiments/markov_chains/relative.h"

#include <numeric>
#include <utility>
#include <vector>

namespace saltus::markov_chains {
namespace {

/// The last two axes of x, read row by row from its element `first` on as rows of `columns`.
Var reread(Var x, std::int64_t first, std::int64_t rows, std::int64_t columns) {
  const Shape s = x.shape(), flat = s.without(-1).with(-1, s[-2] * s[-1]), cut = flat.with(-1, rows);
  return reshape(slice(reshape(x, flat), -1, first, first + rows * columns), cut.inserted(cut.rank(), columns));
}

}  // namespace

Var toeplitz(Var r) {
  const std::int64_t T = r.shape()[-1];
  const Shape row = r.shape().inserted(r.shape().rank() - 1, 1);  // [..., 1, distance]
  const Var padded = pad(reshape(r, row), -1, 0, T);              // [..., 1, 2 T]
  // Rows of 2 T read as rows of 2 T - 1: in row j, column i is r_{i-j}, and padding where i < j.
  const Var shifted = reread(broadcast_to(padded, padded.shape().with(-2, T)), 0, T, 2 * T - 1);
  const Var by_query = slice(shifted, -1, 0, T);  // [..., key, query]
  std::vector<int> axes(static_cast<std::size_t>(by_query.shape().rank()));
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[axes.size() - 2], axes.back());
  return permute(by_query, axes);
}

Var nearest_last(Var R) {
  const std::int64_t T = R.shape()[-2];
  std::vector<double> reversal(static_cast<std::size_t>(T * T));
  for (std::int64_t d = 0; d < T; ++d) reversal[static_cast<std::size_t>(d * T + T - 1 - d)] = 1;
  return matmul(R.graph->constant(std::move(reversal), {T, T}), R);
}

Var by_key(Var s) {
  const std::int64_t T = s.shape()[-1];
  // Rows of T + 1, with one of padding before, read as rows of T from the second row's beginning.
  return reread(pad(s, -1, 1, 0), T, T, T);
}

Var causal_mask(Graph& graph, std::int64_t T) {
  std::vector<double> mask(static_cast<std::size_t>(T * T));
  for (std::int64_t i = 0; i < T; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) mask[static_cast<std::size_t>(i * T + j)] = 1;
  }
  return graph.constant(std::move(mask), {T, T});
}

}  // namespace saltus::markov_chains
