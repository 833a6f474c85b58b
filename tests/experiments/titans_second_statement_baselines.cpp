#include <algorithm>
#include <cmath>
#include <numbers>

#include "experiments/titans_second_statement.h"

namespace saltus::tests::second {
namespace {

/// S <- a (I - beta k'k) S + beta k'v, read as q S; a = 1 without decay, and linear attention adds k'v alone.
class MatrixMemory : public Step {
 public:
  MatrixMemory(const Parameters& p, const std::string& name, const Mixer& m)
      : m_(m), qkv_(p, name, m), read_out_(p, name, m) {
    if (m.kind != "linear_attention") beta_.emplace_back(p, name, "beta");
    if (m.kind == "gated_deltanet") alpha_.emplace_back(p, name, "alpha");
    const auto d = static_cast<std::size_t>(m.d_head);
    S_.assign(static_cast<std::size_t>(m.n_heads), Matrix(d, Row(d)));
  }

  Row next(const Row& u) override {
    const QueryKeyValue::Heads token = qkv_.next(u);
    Matrix reads;
    for (std::size_t h = 0; h < S_.size(); ++h) {
      const Row& k = token.k[h];
      const double beta = beta_.empty() ? 1 : beta_[0].of(u)[h];
      const double a = alpha_.empty() ? 1 : 1 - m_.alpha_max * alpha_[0].of(u)[h];
      const Row held = times(k, S_[h]);
      for (std::size_t i = 0; i < k.size(); ++i) {
        for (std::size_t j = 0; j < k.size(); ++j) {
          const double erased = beta_.empty() ? 0 : beta * k[i] * held[j];
          S_[h][i][j] = a * (S_[h][i][j] - erased) + beta * k[i] * token.v[h][j];
        }
      }
      reads.push_back(times(token.q[h], S_[h]));
    }
    return read_out_.of(u, reads);
  }

 private:
  const Mixer m_;
  QueryKeyValue qkv_;
  ReadOut read_out_;
  std::vector<Gate> beta_, alpha_;
  std::vector<Matrix> S_;
};

double gelu(double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))); }

double gelu_slope(double x) {
  const double t = std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x));
  return (1 + t) / 2 + x / 2 * (1 - t * t) * std::sqrt(2 / std::numbers::pi) * (1 + 3 * 0.044715 * x * x);
}

double mean(const Row& x) { return dot(x, Row(x.size(), 1)) / static_cast<double>(x.size()); }

struct Standard {
  Row x;
  double sd;

  explicit Standard(const Row& z) : x(minus(z, Row(z.size(), mean(z)))), sd(std::sqrt(mean(hadamard(x, x)) + 1e-5)) {
    x = scaled(x, 1 / sd);
  }
};

/// Weights and biases of a network of one layer or two with GELU between, whose input 1 stands for the bias.
struct Layers {
  std::vector<Matrix> W;  // [in + 1][out]

  static Row with_one(Row x) {
    x.push_back(1);
    return x;
  }
  Row of(const Row& x) const {
    Row y = times(with_one(x), W[0]);
    if (W.size() == 1) return y;
    for (double& e : y) e = gelu(e);
    return times(with_one(y), W[1]);
  }
  /// d |LN(net(k)) - target|^2 / 2 / dW by the chain rule; LN's derivative as its whole matrix
  /// dx_i/dz_j = ([i = j] - 1/d - x_i x_j/d) / sd.
  std::vector<Matrix> gradient(const Row& k, const Row& target, const Row& gain, const Row& bias) const {
    const Standard s(of(k));
    const std::size_t d = s.x.size();
    const Row error = hadamard(minus(plus(hadamard(s.x, gain), bias), target), gain);
    Row g(d);
    for (std::size_t i = 0; i < d; ++i) {
      for (std::size_t j = 0; j < d; ++j)
        g[j] += error[i] * ((i == j ? 1 : 0) - (1 + s.x[i] * s.x[j]) / static_cast<double>(d)) / s.sd;
    }
    if (W.size() == 1) return {outer(with_one(k), g)};
    Row hidden, below;
    for (double z : times(with_one(k), W[0])) {
      below.push_back(dot(W[1][hidden.size()], g) * gelu_slope(z));
      hidden.push_back(gelu(z));
    }
    return {outer(with_one(k), below), outer(with_one(hidden), g)};
  }
  static Matrix outer(const Row& a, const Row& b) {
    Matrix out;
    for (double x : a) out.push_back(scaled(b, x));
    return out;
  }
};

/// One head: token i of a chunk reads the weights after i's share of the chunk's gradients, W - scale_i sum rate_j g_j.
struct TttHead {
  Row gain, bias;
  Layers now, at_chunk_start;
  std::vector<Matrix> sum;

  void begin_chunk() {
    at_chunk_start = now;
    sum.clear();
    for (const Matrix& W : now.W) sum.emplace_back(W.size(), Row(W[0].size()));
  }
  void write(const Row& k, const Row& v, double rate, double scale) {
    const std::vector<Matrix> g = at_chunk_start.gradient(k, minus(v, k), gain, bias);
    for (std::size_t l = 0; l < g.size(); ++l) {
      for (std::size_t i = 0; i < g[l].size(); ++i) {
        sum[l][i] = plus(sum[l][i], scaled(g[l][i], rate));
        now.W[l][i] = minus(at_chunk_start.W[l][i], scaled(sum[l][i], scale));
      }
    }
  }
  Row read(const Row& q) const { return plus(q, plus(hadamard(Standard(now.of(q)).x, gain), bias)); }
};

class Ttt : public Step {
 public:
  Ttt(const Parameters& p, const std::string& name, const Mixer& m)
      : m_(m),
        qkv_(p, name, m),
        theta_(p, name, "theta"),
        read_out_(p, name, m),
        learned_(p.row(name + ".token_scale")) {
    for (std::size_t h = 0; h < static_cast<std::size_t>(m.n_heads); ++h) {
      TttHead head{p.matrix(name + ".ttt_norm.gain")[h], p.matrix(name + ".ttt_norm.bias")[h], {}, {}, {}};
      for (const char* layer : {"0", "1"}) {
        if (m.kind == "ttt_linear" && layer[0] == '1') break;
        head.now.W.push_back(p.matrix(name + ".W." + layer, h));
        head.now.W.back().push_back(p.matrix(name + ".b." + layer)[h]);
      }
      heads_.push_back(head);
    }
  }

  Row next(const Row& u) override {
    const auto place = static_cast<std::int64_t>(seen_++ % static_cast<std::size_t>(m_.chunk));
    const QueryKeyValue::Heads token = qkv_.next(u);
    const double scale = std::max(0.0, 1 / static_cast<double>(place + 1) + learned_[static_cast<std::size_t>(place)]);
    Matrix reads;
    for (std::size_t h = 0; h < heads_.size(); ++h) {
      if (place == 0) heads_[h].begin_chunk();
      const auto placed = [&](const Row& x) { return m_.rotary ? turned(x, place) : x; };
      const double rate = m_.ttt_rate / static_cast<double>(m_.d_head) * theta_.of(u)[h];
      heads_[h].write(placed(token.k[h]), token.v[h], rate, scale);
      reads.push_back(heads_[h].read(placed(token.q[h])));
    }
    return read_out_.of(u, reads);
  }

 private:
  const Mixer m_;
  QueryKeyValue qkv_;
  Gate theta_;
  ReadOut read_out_;
  Row learned_;
  std::size_t seen_ = 0;
  std::vector<TttHead> heads_;
};

/// Reset, update and candidate, in this order along the weights' last axis.
class Gru : public Step {
 public:
  Gru(const Parameters& p, const std::string& name, const Mixer& m)
      : p_(p), name_(name), h_(static_cast<std::size_t>(m.n_heads * m.d_head)) {}

  Row next(const Row& u) override {
    const std::size_t n = h_.size();
    const Row x = plus(times(u, p_.matrix(name_ + ".W_input")), p_.row(name_ + ".b_input"));
    const Row s = plus(times(h_, p_.matrix(name_ + ".W_hidden")), p_.row(name_ + ".b_hidden"));
    for (std::size_t i = 0; i < n; ++i) {
      const double reset = sigmoid(x[i] + s[i]), update = sigmoid(x[n + i] + s[n + i]);
      h_[i] = update * h_[i] + (1 - update) * std::tanh(x[2 * n + i] + reset * s[2 * n + i]);
    }
    return times(h_, p_.matrix(name_ + ".W_O"));
  }

 private:
  const Parameters p_;
  const std::string name_;
  Row h_;
};

}  // namespace

std::unique_ptr<Step> matrix_memory(const Parameters& p, const std::string& name, const Mixer& m) {
  return std::make_unique<MatrixMemory>(p, name, m);
}
std::unique_ptr<Step> ttt(const Parameters& p, const std::string& name, const Mixer& m) {
  return std::make_unique<Ttt>(p, name, m);
}
std::unique_ptr<Step> gru(const Parameters& p, const std::string& name, const Mixer& m) {
  return std::make_unique<Gru>(p, name, m);
}

}  // namespace saltus::tests::second
