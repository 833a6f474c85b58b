#include "experiments/titans/memory_kernels.h"

#include <cmath>

namespace saltus::titans {
namespace {

/// [n, n] of ones where keep(row, column), else zeros.
template <class F>
Var ones_where(Graph& graph, std::int64_t n, F keep) {
  std::vector<double> ones;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) ones.push_back(keep(i, j) ? 1 : 0);
  }
  return graph.constant(std::move(ones), {n, n});
}

/// log max(x, e^-30). The gradient does not stop at the bound: products with a factor 0 have a derivative with respect
/// to it, and the kernel's e^-30 times the logarithm's e^30 gives it.
Var bounded_log(Var x) {
  const double least = std::exp(-30.0);
  return log(x + detach(relu(least - x)));
}

/// Cumulative products of factors given by their logarithms.
class Products {
 public:
  explicit Products(Var logs)
      : logs_(logs), n_(logs.shape()[-1]), up_to_(ones_where(*logs.graph, n_, [](auto l, auto i) { return l <= i; })) {}

  /// [..., i]: of all factors l <= i.
  Var from_start() const { return exp(matmul(logs_, up_to_)); }

  /// [..., k, i]: of the factors k < l <= i; 0 where k > i. Each exponent is the sum of its own terms, not a difference
  /// of two cumulative sums, which would lose what follows a factor of e^-30 to rounding.
  Var between() const {
    const Shape& s = logs_.shape();
    if (n_ > most_at_once) {
      const Var after = ones_where(*logs_.graph, n_, [](auto k, auto l) { return k < l; });
      const Var terms = reshape(logs_, s.inserted(s.rank() - 1, 1)) * after;  // [..., k, l]
      return exp(matmul(terms, up_to_)) * up_to_;
    }
    std::vector<double> counts;  // [l, k, i]
    for (std::int64_t l = 0; l < n_; ++l) {
      for (std::int64_t k = 0; k < n_; ++k) {
        for (std::int64_t i = 0; i < n_; ++i) counts.push_back(k < l && l <= i ? 1 : 0);
      }
    }
    const Var exponents = matmul(logs_, logs_.graph->constant(std::move(counts), {n_, n_ * n_}));
    return exp(reshape(exponents, s.inserted(s.rank(), n_))) * up_to_;
  }

 private:
  static constexpr std::int64_t most_at_once = 32;  // of which all sums are one product, with a constant of n^3

  Var logs_;
  std::int64_t n_;
  Var up_to_;  // [l, i]
};

Var column(Var x) { return reshape(x, x.shape().inserted(x.shape().rank(), 1)); }

/// Element T-1 of the last axis, which stays.
Var last(Var x) { return slice(x, -1, x.shape()[-1] - 1, x.shape()[-1]); }

/// x [..., i] at i - 1, and `first` at i = 0.
Var delayed(Var x, double first) {
  const std::int64_t n = x.shape()[-1];
  return pad(slice(x, -1, 0, n - 1) - first, -1, 1, 0) + first;
}

}  // namespace

ChunkKernels chunk_kernels(Var theta, Var eta, Var alpha, bool read_before_write) {
  const Products decay(bounded_log(1 - alpha)), momentum(bounded_log(eta));
  const Var decayed = decay.between();                             // [..., k, i]
  const Var carried = column(theta) * momentum.between();          // [..., j, k]: of u_j in S_k
  const Var written = matmul(carried, decayed);                    // [..., j, i]: of u_j in M_i
  const Var beta = decay.from_start(), m = momentum.from_start();  // [..., i]
  const Var m_row = reshape(m, m.shape().inserted(m.shape().rank() - 1, 1));
  const Var f = reshape(matmul(m_row, decayed), m.shape());  // [..., i]
  ChunkKernels k;
  k.written = read_before_write ? delayed(written, 0) : written;
  k.read_M = column(read_before_write ? delayed(beta, 1) : beta);
  k.read_S = column(read_before_write ? delayed(f, 0) : f);
  k.written_M = last(written);
  k.written_S = last(carried);
  k.kept_M = column(last(beta));
  k.carried_M = column(last(f));
  k.carried_S = column(last(m));
  return k;
}

}  // namespace saltus::titans
