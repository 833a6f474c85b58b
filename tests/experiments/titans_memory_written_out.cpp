#include "experiments/titans_memory.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;  // [in][out]

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

/// The memory of one row in plain loops, for one layer and for two: nothing is shared with the program but the leaves'
/// numbers.
class PlainMemory {
 public:
  PlainMemory(MemoryCase& c, std::int64_t row, const MemoryOptions& options) : c_(c), row_(row), options_(options) {
    for (std::size_t l = 0; l < c.sizes.depth; ++l) {
      M0_.push_back(matrix("initial", l));
      M_.push_back(matrix("M", l));
      S_.push_back(matrix("S", l));
    }
  }

  /// Each token's read-out, one after the other.
  Vector run() {
    Vector out;
    std::vector<Matrix> held;
    for (std::int64_t t = 0; t < c_.sizes.length; ++t) {
      if (t % options_.chunk == 0) held = M_;
      if (options_.read_before_write) append(out, read(vector("q", t), M_));
      write(gradient(vector("k", t), vector("v", t), held), gate("theta", t), gate("eta", t), gate("alpha", t));
      if (!options_.read_before_write) append(out, read(vector("q", t), M_));
    }
    return out;
  }

  const std::vector<Matrix>& M() const { return M_; }
  const std::vector<Matrix>& S() const { return S_; }

 private:
  Vector times(const Vector& x, const Matrix& W) const {
    Vector y(W[0].size(), 0.0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < y.size(); ++j) y[j] += x[i] * W[i][j];
    }
    return y;
  }

  Vector hidden(const Vector& z) const {
    Vector a;
    for (double x : z) a.push_back(x * sigmoid_of(x));
    return a;
  }

  Vector read(const Vector& x, const std::vector<Matrix>& W) const {
    Vector y = W.size() == 1 ? times(x, W[0]) : times(hidden(times(x, W[0])), W[1]);
    for (std::size_t j = 0; j < y.size() && options_.residual; ++j) y[j] += x[j];
    return y;
  }

  /// d |M(k) - v|^2 / d W by the chain rule, index by index.
  std::vector<Matrix> gradient(const Vector& k, const Vector& v, const std::vector<Matrix>& W) const {
    const Vector y = read(k, W);
    std::vector<Matrix> u = W;
    const Vector z = times(k, W[0]);
    const Vector a = W.size() == 1 ? k : hidden(z);
    for (std::size_t i = 0; i < a.size(); ++i) {
      double back = 0;  // d loss / d a_i
      for (std::size_t j = 0; j < y.size(); ++j) {
        u.back()[i][j] = 2 * (y[j] - v[j]) * a[i];
        back += 2 * (y[j] - v[j]) * W.back()[i][j];
      }
      if (W.size() == 1) continue;
      const double s = sigmoid_of(z[i]);
      for (std::size_t m = 0; m < k.size(); ++m) u[0][m][i] = back * (s + z[i] * s * (1 - s)) * k[m];
    }
    return u;
  }

  void write(const std::vector<Matrix>& u, double theta, double eta, double alpha) {
    for (std::size_t l = 0; l < u.size(); ++l) {
      for (std::size_t i = 0; i < u[l].size(); ++i) {
        for (std::size_t j = 0; j < u[l][i].size(); ++j) {
          const double towards = options_.decay_to_initial ? M0_[l][i][j] : 0;
          S_[l][i][j] = eta * S_[l][i][j] - theta * u[l][i][j];
          M_[l][i][j] = towards + (1 - alpha) * (M_[l][i][j] - towards) + S_[l][i][j];
        }
      }
    }
  }

  static void append(Vector& to, const Vector& x) { to.insert(to.end(), x.begin(), x.end()); }
  Vector vector(const std::string& name, std::int64_t t) const {
    const auto from = c_.values(name).begin() + (row_ * c_.sizes.length + t) * c_.sizes.d;
    return {from, from + c_.sizes.d};
  }
  double gate(const std::string& name, std::int64_t t) const {
    return c_.values(name)[static_cast<std::size_t>(row_ * c_.sizes.length + t)];
  }
  Matrix matrix(const std::string& name, std::size_t l) const {
    const Shape& shape = c_.state.M[l].shape();
    Matrix W;
    for (std::int64_t i = 0; i < shape[1]; ++i) {
      const auto from = c_.values(fmt::format("{}.{}", name, l)).begin() + (row_ * shape[1] + i) * shape[2];
      W.emplace_back(from, from + shape[2]);
    }
    return W;
  }

  MemoryCase& c_;
  std::int64_t row_;
  MemoryOptions options_;
  std::vector<Matrix> M0_, M_, S_;
};

/// The row's part of a value whose first axis is rows.
Vector of_row(const Vector& all, std::int64_t row, std::int64_t rows) {
  const auto n = static_cast<std::ptrdiff_t>(all.size()) / rows;
  return {all.begin() + row * n, all.begin() + (row + 1) * n};
}

Vector flat(const Matrix& W) {
  Vector out;
  for (const Vector& row : W) out.insert(out.end(), row.begin(), row.end());
  return out;
}

}  // namespace

TEST_CASE("the memory computes its equations, written out in plain loops for one layer and two") {
  for (std::size_t depth : {1u, 2u}) {
    for (unsigned bits = 0; bits < 8; ++bits) {
      const MemoryOptions options{.chunk = 4,
                                  .residual = depth > 1 && (bits & 1),
                                  .read_before_write = (bits & 2) != 0,
                                  .decay_to_initial = (bits & 4) != 0};
      MemoryCase c({.depth = depth, .length = 14});
      const MemoryOutput o = memory_chunked(c.in, c.state, c.initial, options);
      const auto values = c.evaluated(MemoryCase::all_of(o));
      for (std::int64_t row = 0; row < c.sizes.rows; ++row) {
        PlainMemory plain(c, row, options);
        std::vector<Vector> expected = {plain.run()}, got;
        for (const Matrix& W : plain.M()) expected.push_back(flat(W));
        for (const Matrix& W : plain.S()) expected.push_back(flat(W));
        for (const Vector& all : values) got.push_back(of_row(all, row, c.sizes.rows));
        CHECK(difference(expected, got) < 1e-12);
      }
    }
  }
}

// DeltaNet (Schlag et al. 2021): W <- W - beta k (k W - v), read after the write.
TEST_CASE("without momentum and decay, token by token, the linear memory is the delta rule with beta = 2 theta") {
  MemoryCase c({.depth = 1, .rows = 1, .length = 9});
  std::fill(c.values("eta").begin(), c.values("eta").end(), 0);
  std::fill(c.values("alpha").begin(), c.values("alpha").end(), 0);
  const auto out = c.evaluated(MemoryCase::all_of(memory_chunked(c.in, c.state, c.initial, {.chunk = 1})))[0];
  std::vector<double> W = c.values("M.0");
  const std::size_t d = 3;
  for (std::size_t t = 0; t < 9; ++t) {
    const double* k = c.values("k").data() + t * d;
    for (std::size_t j = 0; j < d; ++j) {
      double error = -c.values("v")[t * d + j];
      for (std::size_t i = 0; i < d; ++i) error += k[i] * W[i * d + j];
      for (std::size_t i = 0; i < d; ++i) W[i * d + j] -= 2 * c.values("theta")[t] * k[i] * error;
      double y = 0;
      for (std::size_t i = 0; i < d; ++i) y += c.values("q")[t * d + i] * W[i * d + j];
      CHECK(out[t * d + j] == Approx(y).margin(1e-12));
    }
  }
}
