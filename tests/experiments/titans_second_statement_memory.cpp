#include <cmath>

#include "experiments/titans_second_statement.h"

namespace saltus::tests::second {
namespace {

/// The derivative of x sigmoid(x).
double silu_slope(double x) { return sigmoid(x) + x * sigmoid(x) * sigmoid(-x); }

Matrix zeros_like(const Matrix& W) { return Matrix(W.size(), Row(W[0].size())); }

/// M_0 of a head: learned or, for a single layer that is not, 0.
Network initial_network(const Parameters& p, const std::string& name, const Mixer& m, std::size_t h) {
  Network net{{}, m.memory_residual};
  const auto d = static_cast<std::size_t>(m.d_head);
  if (m.memory_depth == 1 && !m.learned_initial) {
    net.layers.push_back(Matrix(d, Row(d)));
    return net;
  }
  for (std::int64_t l = 0; l < m.memory_depth; ++l)
    net.layers.push_back(p.matrix(name + ".M_0." + std::to_string(l), h));
  return net;
}

class MemoryAlone : public Step {
 public:
  MemoryAlone(const Parameters& p, const std::string& name, const Mixer& m) : memory_(p, name, m) {
    if (m.n_persistent == 0) return;
    for (const Row& vector : p.matrix(name + ".persistent")) memory_.written(vector);
    memory_.begin_chunk();
  }
  Row next(const Row& u) override { return memory_.read_out().of(u, memory_.written(u)); }

 private:
  LongMemory memory_;
};

}  // namespace

Row Network::of(const Row& x) const {
  Row y = x;
  for (std::size_t l = 0; l < layers.size(); ++l) y = times(l == 0 ? y : silu(y), layers[l]);
  return residual ? plus(y, x) : y;
}

std::vector<Matrix> Network::gradient(const Row& k, const Row& v) const {
  std::vector<Row> in = {k}, z;  // what each layer gets, and gives
  for (const Matrix& W : layers) {
    z.push_back(times(in.back(), W));
    in.push_back(silu(z.back()));
  }
  Row back = scaled(minus(of(k), v), 2);  // d loss / d z of the layer at hand
  std::vector<Matrix> out(layers.size());
  for (std::size_t l = layers.size(); l-- > 0;) {
    for (double x : in[l]) out[l].push_back(scaled(back, x));
    if (l == 0) break;
    Row below;
    for (std::size_t i = 0; i < layers[l].size(); ++i)
      below.push_back(dot(layers[l][i], back) * silu_slope(z[l - 1][i]));
    back = below;
  }
  return out;
}

LongMemory::LongMemory(const Parameters& p, const std::string& name, const Mixer& m)
    : m_(m), qkv_(p, name, m), theta_(p, name, "theta"), read_out_(p, name, m) {
  if (m.momentum) eta_.emplace_back(p, name, "eta");
  if (m.decay) alpha_.emplace_back(p, name, "alpha");
  for (std::size_t h = 0; h < static_cast<std::size_t>(m.n_heads); ++h) {
    initial_.push_back(initial_network(p, name, m, h));
    S_.emplace_back();
    for (const Matrix& W : initial_.back().layers) S_.back().push_back(zeros_like(W));
  }
  M_ = initial_;
}

void LongMemory::write(std::size_t h, const std::vector<Matrix>& gradient, double theta, double eta, double alpha) {
  for (std::size_t l = 0; l < gradient.size(); ++l) {
    for (std::size_t i = 0; i < gradient[l].size(); ++i) {
      for (std::size_t j = 0; j < gradient[l][i].size(); ++j) {
        double &M = M_[h].layers[l][i][j], &S = S_[h][l][i][j];
        const double pull = m_.decay_to_initial ? initial_[h].layers[l][i][j] : 0;
        S = eta * S - theta * gradient[l][i][j];
        M = (1 - alpha) * M + alpha * pull + S;
      }
    }
  }
}

Matrix LongMemory::written(const Row& x) {
  if (place_ % m_.chunk == 0) at_chunk_start_ = M_;
  ++place_;
  const QueryKeyValue::Heads token = qkv_.next(x);
  const Row theta = theta_.of(x);
  Matrix reads;
  for (std::size_t h = 0; h < M_.size(); ++h) {
    if (m_.read_before_write) reads.push_back(M_[h].of(token.q[h]));
    write(h, at_chunk_start_[h].gradient(token.k[h], token.v[h]), m_.theta_max * theta[h],
          m_.momentum ? eta_[0].of(x)[h] : 0, m_.decay ? m_.alpha_max * alpha_[0].of(x)[h] : 0);
    if (!m_.read_before_write) reads.push_back(M_[h].of(token.q[h]));
  }
  return reads;
}

std::unique_ptr<Step> memory_alone(const Parameters& p, const std::string& name, const Mixer& m) {
  return std::make_unique<MemoryAlone>(p, name, m);
}

}  // namespace saltus::tests::second
