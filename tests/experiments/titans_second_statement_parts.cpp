#include <algorithm>
#include <cmath>

#include "experiments/titans_second_statement.h"

namespace saltus::tests::second {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double silu(double x) { return x / (1 + std::exp(-x)); }

Row silu(Row x) {
  for (double& e : x) e = silu(e);
  return x;
}

double dot(const Row& a, const Row& b) {
  double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b.at(i);
  return total;
}

Row plus(Row a, const Row& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b.at(i);
  return a;
}

Row minus(Row a, const Row& b) { return plus(std::move(a), scaled(b, -1)); }

Row scaled(Row a, double factor) {
  for (double& e : a) e *= factor;
  return a;
}

Row hadamard(Row a, const Row& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] *= b.at(i);
  return a;
}

Row times(const Row& x, const Matrix& W) {
  Row y(W.at(0).size());
  for (std::size_t i = 0; i < x.size(); ++i) y = plus(y, scaled(W.at(i), x[i]));
  return y;
}

Row unit(const Row& x) { return scaled(x, 1 / std::sqrt(dot(x, x) + 1e-6)); }

Row rms_normed(const Row& x, const Row& gain) {
  return hadamard(scaled(x, 1 / std::sqrt(dot(x, x) / static_cast<double>(x.size()) + 1e-6)), gain);
}

Row turned(Row x, std::int64_t position) {
  const std::size_t half = x.size() / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const double angle =
        static_cast<double>(position) / std::pow(10000, static_cast<double>(i) / static_cast<double>(half));
    const double a = x[i], b = x[i + half];
    x[i] = a * std::cos(angle) - b * std::sin(angle);
    x[i + half] = a * std::sin(angle) + b * std::cos(angle);
  }
  return x;
}

Row head_of(const Row& x, std::size_t h, std::size_t d) {
  const auto from = x.begin() + static_cast<std::ptrdiff_t>(h * d);
  return {from, from + static_cast<std::ptrdiff_t>(d)};
}

void append(Row& to, const Row& x) { to.insert(to.end(), x.begin(), x.end()); }

Row softmax(Row scores) {
  double total = 0;
  for (double& s : scores) total += s = std::exp(s);
  return scaled(scores, 1 / total);
}

Row weighted_sum(const Row& weights, const Matrix& values) { return times(weights, values); }

Parameters::Parameters(const ParamStore& store) {
  for (const ParamSpec& spec : store.specs()) {
    const auto values = store.view(spec.name);
    arrays_[spec.name] = {.columns = static_cast<std::size_t>(spec.shape[-1]),
                          .rows = spec.shape.rank() > 1 ? static_cast<std::size_t>(spec.shape[-2]) : 1,
                          .values = {values.begin(), values.end()}};
  }
}

Row Parameters::row(const std::string& name) const { return arrays_.at(name).values; }

Matrix Parameters::matrix(const std::string& name, std::size_t h) const {
  const Array& a = arrays_.at(name);
  Matrix out;
  for (std::size_t i = 0; i < a.rows; ++i) out.push_back(head_of(a.values, h * a.rows + i, a.columns));
  return out;
}

Projection::Projection(const Parameters& p, const std::string& name, const std::string& part, const Mixer& m)
    : W_(p.matrix(name + ".W_" + part)) {
  if (m.conv_width > 0) kernel_ = p.matrix(name + ".conv_" + part);
}

Row Projection::next(const Row& u) {
  seen_.push_back(times(u, W_));
  if (kernel_.empty()) return seen_.back();
  const std::size_t width = kernel_[0].size();
  Row y(kernel_.size());
  for (std::size_t back = 0; back < std::min(width, seen_.size()); ++back) {
    for (std::size_t c = 0; c < y.size(); ++c) y[c] += kernel_[c][width - 1 - back] * seen_[seen_.size() - 1 - back][c];
  }
  return y;
}

QueryKeyValue::QueryKeyValue(const Parameters& p, const std::string& name, const Mixer& m)
    : heads_(static_cast<std::size_t>(m.n_heads)),
      d_(static_cast<std::size_t>(m.d_head)),
      Q_(p, name, "Q", m),
      K_(p, name, "K", m),
      V_(p, name, "V", m) {}

QueryKeyValue::Heads QueryKeyValue::next(const Row& u) {
  const Row q = Q_.next(u), k = K_.next(u), v = V_.next(u);
  Heads out;
  for (std::size_t h = 0; h < heads_; ++h) {
    out.q.push_back(unit(silu(head_of(q, h, d_))));
    out.k.push_back(unit(silu(head_of(k, h, d_))));
    out.v.push_back(head_of(v, h, d_));
  }
  return out;
}

Gate::Gate(const Parameters& p, const std::string& name, const std::string& part)
    : w_(p.matrix(name + ".W_" + part)), b_(p.row(name + ".b_" + part)) {}

Row Gate::of(const Row& u) const {
  Row y = plus(times(u, w_), b_);
  for (double& e : y) e = sigmoid(e);
  return y;
}

ReadOut::ReadOut(const Parameters& p, const std::string& name, const Mixer& m)
    : gain_(p.row(name + ".norm.gain")), W_O_(p.matrix(name + ".W_O")) {
  if (m.output_gate) W_G_ = p.matrix(name + ".W_G");
}

Row ReadOut::of(const Row& u, const Matrix& heads) const {
  Row y;
  for (const Row& read : heads) append(y, rms_normed(read, gain_));
  if (!W_G_.empty()) y = hadamard(y, silu(times(u, W_G_)));
  return times(y, W_O_);
}

}  // namespace saltus::tests::second
