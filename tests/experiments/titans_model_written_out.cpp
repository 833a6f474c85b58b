#include <cmath>

#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

using Row = std::vector<double>;
using Matrix = std::vector<Row>;

Matrix zeros(std::size_t rows, std::size_t columns) { return Matrix(rows, Row(columns)); }

Row times(const Row& x, const Matrix& W) {
  Row y(W[0].size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < y.size(); ++j) y[j] += x[i] * W[i][j];
  }
  return y;
}

double dot(const Row& a, const Row& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double silu(double x) { return x * sigmoid(x); }

Row map(Row x, double (*f)(double)) {
  for (double& v : x) v = f(v);
  return x;
}

Row mul(Row a, const Row& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] *= b[i];
  return a;
}

Row add(Row a, const Row& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

Row unit(Row x) {
  const double norm = std::sqrt(dot(x, x) + 1e-6);
  for (double& v : x) v /= norm;
  return x;
}

/// Elements [h d, h d + d): a head's.
Row head(const Row& x, std::size_t h, std::size_t d) {
  return {x.begin() + static_cast<std::ptrdiff_t>(h * d), x.begin() + static_cast<std::ptrdiff_t>(h * d + d)};
}

/// One block of linear memory, written out token by token.
struct WrittenOut {
  const RecordedTitan& r;
  std::size_t d_head = static_cast<std::size_t>(r.model.mixer.d_head),
              heads = static_cast<std::size_t>(r.model.mixer.n_heads);
  std::string mixer = "blocks.0.mixer.";

  Matrix matrix(const std::string& name, std::size_t which = 0) const {
    const Shape& s = r.params.spec(name).shape;
    const auto columns = static_cast<std::size_t>(s[-1]), rows = s.rank() == 1 ? 1 : static_cast<std::size_t>(s[-2]);
    Matrix out;
    for (std::size_t i = 0; i < rows; ++i) {
      const auto from = r.leaves.values.at(name).begin() + static_cast<std::ptrdiff_t>((which * rows + i) * columns);
      out.emplace_back(from, from + static_cast<std::ptrdiff_t>(columns));
    }
    return out;
  }
  Row row(const std::string& name) const { return matrix(name)[0]; }

  Row normalised(Row x, const std::string& name) const {
    const double rms = std::sqrt(dot(x, x) / static_cast<double>(x.size()) + 1e-6);
    for (double& v : x) v /= rms;
    return mul(x, row(name + ".gain"));
  }

  /// x W and the causal convolution of each channel over all the rows before.
  Matrix projected(const Matrix& x, const std::string& part) const {
    const Matrix W = matrix(mixer + "W_" + part),
                 weights = matrix(mixer + "conv_" + part);  // [d_model, channel], [channel, width]
    Matrix y = zeros(x.size(), W[0].size());
    for (std::size_t t = 0; t < x.size(); ++t) {
      for (std::size_t back = 0; back < weights[0].size() && back <= t; ++back) {
        const Row earlier = times(x[t - back], W);
        for (std::size_t c = 0; c < y[t].size(); ++c) y[t][c] += weights[c][weights[c].size() - 1 - back] * earlier[c];
      }
    }
    return y;
  }

  double gate(const Row& x, const char* part, std::size_t h) const {
    return sigmoid(times(x, matrix(mixer + "W_" + part))[h] + row(mixer + std::string("b_") + part)[h]);
  }

  /// What every head reads at every row of x, side by side. Gradients of a chunk are taken at its first weights; rows
  /// before `prefix`, and rows from there on, are chunks of their own.
  Matrix reads(const Matrix& x, std::size_t prefix) const {
    const Matrix Q = projected(x, "Q"), K = projected(x, "K"), V = projected(x, "V");
    const auto chunk = static_cast<std::size_t>(r.model.mixer.chunk);
    Matrix out(x.size());
    for (std::size_t h = 0; h < heads; ++h) {
      const Matrix M_0 = matrix(mixer + "M_0.0", h);
      Matrix M = M_0, S = zeros(d_head, d_head), at_start;
      for (std::size_t t = 0; t < x.size(); ++t) {
        const std::size_t place = t < prefix ? t : t - prefix;
        if (place % chunk == 0) at_start = M;
        const Row q = unit(map(head(Q[t], h, d_head), silu)), k = unit(map(head(K[t], h, d_head), silu)),
                  v = head(V[t], h, d_head);
        const double theta = r.model.mixer.theta_max * gate(x[t], "theta", h), eta = gate(x[t], "eta", h),
                     alpha = r.model.mixer.alpha_max * gate(x[t], "alpha", h);
        const Row answer = times(k, at_start);
        for (std::size_t i = 0; i < d_head; ++i) {
          for (std::size_t j = 0; j < d_head; ++j) {
            S[i][j] = eta * S[i][j] - theta * 2 * k[i] * (answer[j] - v[j]);
            M[i][j] = M_0[i][j] + (1 - alpha) * (M[i][j] - M_0[i][j]) + S[i][j];
          }
        }
        const Row read = normalised(times(q, M), mixer + "norm");
        out[t].insert(out[t].end(), read.begin(), read.end());
      }
    }
    return out;
  }

  /// The logits of sequence b at every token.
  Matrix logits(std::size_t b) const {
    const Matrix W_E = matrix("embed.W_E"), P = matrix(mixer + "persistent");
    const auto n = static_cast<std::size_t>(r.positions);
    Matrix stream, u = P;
    for (std::size_t t = 0; t < n; ++t) {
      stream.push_back(W_E[static_cast<std::size_t>(r.leaves.indices.at("tokens")[b * n + t])]);
      u.push_back(normalised(stream.back(), "blocks.0.norm"));
    }
    const Matrix read = reads(u, P.size());
    Matrix out;
    for (std::size_t t = 0; t < n; ++t) {
      const Row open = map(times(u[P.size() + t], matrix(mixer + "W_G")), silu);
      Row x = add(stream[t], times(mul(read[P.size() + t], open), matrix(mixer + "W_O")));
      const Row f = normalised(x, "blocks.0.norm_mlp");
      x = add(x, times(mul(map(times(f, matrix("blocks.0.mlp.W_gate")), silu), times(f, matrix("blocks.0.mlp.W_in"))),
                       matrix("blocks.0.mlp.W_out")));
      out.push_back(times(normalised(x, "norm_final"), matrix("unembed.W_U")));
    }
    return out;
  }
};

}  // namespace

TEST_CASE("titans: a block of memory is its equations, token by token, and the loss a mean over what is asked") {
  titans::ModelConfig model = small_titan();
  model.n_layers = 1;
  model.mixer.n_persistent = 3;
  model.mixer.chunk = 2;
  const RecordedTitan r(model, 7, 9, 2);
  const std::vector<double> all = value(r.graph, r.graph.tapped("logits"), r.leaves);
  double loss = 0;
  for (std::size_t b = 0; b < 2; ++b) {
    const Matrix logits = WrittenOut{r}.logits(b);
    double total = 0, asked = 0;
    for (std::size_t t = 0; t < 9; ++t) {
      for (std::size_t c = 0; c < 7; ++c) CHECK(all[(b * 9 + t) * 7 + c] == Approx(logits[t][c]).epsilon(1e-11));
      double exponentials = 0;
      for (double x : logits[t]) exponentials += std::exp(x);
      const double weight = r.leaves.values.at("weight")[b * 9 + t];
      total += weight *
               (std::log(exponentials) - logits[t][static_cast<std::size_t>(r.leaves.indices.at("target")[b * 9 + t])]);
      asked += weight;
    }
    loss += total / asked / 2;
  }
  CHECK(value(r.graph, r.loss, r.leaves)[0] == Approx(loss).epsilon(1e-11));
}
