#pragma once
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "experiments/network.h"

namespace saltus::tests {

/// The equations of Reddy 2024 (arXiv 2312.03002, eqs. 1-3) for one sequence, in double, in the paper's own terms:
/// column vectors multiplied from the left, every projection made as it is written. It shares nothing with the library
/// but where parameters are stored: the library's weights act on rows, so W_Q is the transpose of Q.
///
///   v_i = u_i + V_1 sum_{j<=i} p1_ij u_j,   w_n = v_n + V_2 sum_j p2_nj v_j
///   p_ij = softmax over j <= i of (K x_j) . (Q x_i)
///   h_1 = relu(W_1 w_n + b_1), h_2 = relu(W_2 h_1 + b_2), h_3 = relu(W_3 h_2 + b_3), logits = O h_3, with scalars b
class PaperNetwork {
 public:
  using Vector = std::vector<double>;
  using Sequence = std::vector<Vector>;  // one vector a token

  explicit PaperNetwork(const Network& network)
      : parameters_(network.leaves.values), width_(static_cast<std::size_t>(network.task.d_model())) {}

  Vector logits(const Sequence& u) const {
    Sequence v;
    for (std::size_t i = 0; i < u.size(); ++i) v.push_back(attend("blocks.0.attn", u, i));
    Vector h = attend("blocks.1.attn", v, v.size() - 1);
    for (int layer = 0; layer < 3; ++layer) {
      h = apply(fmt::format("classifier.{}.W", layer), h);
      const double b = parameters_.find(fmt::format("classifier.{}.b", layer))->second[0];
      for (double& unit : h) unit = std::max(unit + b, 0.0);
    }
    return apply("unembed.W_U", h);
  }

  /// Sequence s of the network's batch, as the equations take it.
  static Sequence sequence(const Network& network, int s) {
    Sequence u;
    for (int t = 0; t < network.task.n_tokens(); ++t) {
      const auto token = network.sequences.token(s, t);
      u.emplace_back(token.begin(), token.end());
    }
    return u;
  }

 private:
  /// M x, where the parameter holds M transposed, [columns of M, rows of M] row-major.
  Vector apply(const std::string& name, const Vector& x) const {
    const Vector& m = parameters_.find(name)->second;
    Vector y(m.size() / x.size());
    for (std::size_t row = 0; row < y.size(); ++row) {
      for (std::size_t column = 0; column < x.size(); ++column) y[row] += m[column * y.size() + row] * x[column];
    }
    return y;
  }
  /// x_i + V sum over j <= i of p_ij x_j.
  Vector attend(const std::string& layer, const Sequence& x, std::size_t i) const {
    const Vector query = apply(layer + ".W_Q", x[i]);
    Vector weight(i + 1), mixture(width_);
    double total = 0;
    for (std::size_t j = 0; j <= i; ++j) {
      const Vector key = apply(layer + ".W_K", x[j]);
      double score = 0;
      for (std::size_t k = 0; k < key.size(); ++k) score += key[k] * query[k];
      total += weight[j] = std::exp(score);
    }
    for (std::size_t j = 0; j <= i; ++j) {
      for (std::size_t m = 0; m < width_; ++m) mixture[m] += weight[j] / total * x[j][m];
    }
    Vector out = apply(layer + ".W_V", mixture);
    for (std::size_t m = 0; m < width_; ++m) out[m] += x[i][m];
    return out;
  }

  const std::map<std::string, Vector, std::less<>>& parameters_;
  std::size_t width_;
};

/// -ln softmax(logits)[label]
inline double cross_entropy(const std::vector<double>& logits, std::int32_t label) {
  double total = 0;
  for (double l : logits) total += std::exp(l);
  return std::log(total) - logits[static_cast<std::size_t>(label)];
}

}  // namespace saltus::tests
