#include "experiments/titans/surprise.h"

#include <algorithm>

namespace saltus::titans {
namespace {

Var squares(Var x, int axis) { return sum(x * x, axis); }

Var total(const std::vector<Var>& parts) {
  Var all = parts[0];
  for (std::size_t i = 1; i < parts.size(); ++i) all = all + parts[i];
  return all;
}

/// The tokens' inner gradients 2 A_l' g_l by their two factors, a layer each.
struct Gradients {
  std::vector<Var> A, g;  // [row, position, width]

  Gradients(Var k, Var v, const std::vector<Var>& W, bool residual) : A{k}, g(W.size()) {
    std::vector<Var> Z;
    for (std::size_t l = 0; l < W.size(); ++l) {
      Z.push_back(matmul(A[l], W[l]));
      if (l + 1 < W.size()) A.push_back(silu(Z[l]));
    }
    g.back() = (residual ? Z.back() + k : Z.back()) - v;
    for (std::size_t l = W.size() - 1; l > 0; --l) g[l - 1] = matmul(g[l], W[l], false, true) * silu_grad(Z[l - 1]);
  }

  /// [row, position]
  Var norm() const {
    std::vector<Var> of_layers;
    for (std::size_t l = 0; l < A.size(); ++l) of_layers.push_back(squares(A[l], 2) * squares(g[l], 2));
    return 2 * sqrt(total(of_layers));
  }

  /// <S, u> of the first token, [row, 1]
  Var along(const std::vector<Var>& S) const {
    std::vector<Var> of_layers;
    for (std::size_t l = 0; l < A.size(); ++l)
      of_layers.push_back(sum(matmul(slice(A[l], 1, 0, 1), S[l]) * slice(g[l], 1, 0, 1), 2));
    return 2 * total(of_layers);
  }
};

/// Tokens [first, last) of every input.
MemoryInputs tokens(const MemoryInputs& in, std::int64_t first, std::int64_t last) {
  MemoryInputs part = in;
  for (Var* x : {&part.q, &part.k, &part.v, &part.theta, &part.eta, &part.alpha}) *x = slice(*x, 1, first, last);
  return part;
}

}  // namespace

Var state_norm(const std::vector<Var>& S) {
  std::vector<Var> of_layers;
  for (Var s : S) of_layers.push_back(squares(reshape(s, {s.shape()[0], s.shape()[1] * s.shape()[2]}), 1));
  return sqrt(total(of_layers));
}

Surprise surprises(const MemoryInputs& in, MemoryState state, const std::vector<Var>& initial,
                   const MemoryOptions& options) {
  const std::int64_t length = in.k.shape()[1], rows = in.k.shape()[0];
  std::vector<Var> norms, alignments;
  for (std::int64_t first = 0; first < length; first += options.chunk) {
    const MemoryInputs part = tokens(in, first, std::min(first + options.chunk, length));
    const Gradients u(part.k, part.v, state.M, options.residual);
    norms.push_back(u.norm());
    // Where a norm is 0 so is the product, and the least of what is added makes the cosine 0.
    const Var sizes = reshape(state_norm(state.S), {rows, 1}) * slice(norms.back(), 1, 0, 1);
    alignments.push_back(-1.0 * u.along(state.S) / (sizes + 1e-30));
    state = memory_chunked(part, state, initial, options).state;
  }
  return {concat(std::move(norms), 1), concat(std::move(alignments), 1)};
}

}  // namespace saltus::titans
