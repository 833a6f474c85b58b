#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/gru.h"
#include "kernels/targets.h"

using namespace saltus;
using saltus::tests::on_every_target;

namespace {

/// A call with operands of its own: `units` per direction, sequences of the given lengths in batches of `steps` words.
struct Call {
  std::size_t inputs, units, steps;
  std::vector<std::size_t> lengths;
  bool reverse;
  std::vector<float> x, mask, dy, W, U, b, c;

  Call(std::size_t E, std::size_t h, std::size_t T, std::vector<std::size_t> words, bool backwards)
      : inputs(E), units(h), steps(T), lengths(std::move(words)), reverse(backwards) {
    std::mt19937 random(5);
    const auto draw = [&random](std::size_t n, double std) {
      std::normal_distribution<double> normal(0, std);
      std::vector<float> values(n);
      for (float& v : values) v = static_cast<float>(normal(random));
      return values;
    };
    const std::size_t B = lengths.size();
    x = draw(B * T * E, 1), dy = draw(B * T * h, 1);
    W = draw(E * 3 * h, 1 / std::sqrt(static_cast<double>(E)));
    U = draw(h * 3 * h, 1 / std::sqrt(static_cast<double>(h)));
    b = draw(3 * h, 0.5), c = draw(3 * h, 0.5);
    mask.assign(B * T, 0);
    for (std::size_t i = 0; i < B; ++i)
      std::fill_n(mask.begin() + static_cast<std::ptrdiff_t>(i * T), lengths[i], 1.0f);
  }

  kernels::Gru operands() const {
    const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
    return {
        reverse,  size(lengths.size()), size(steps), size(inputs), size(units), x.data(), W.data(), U.data(), b.data(),
        c.data(), mask.data()};
  }
  std::size_t words() const { return lengths.size() * steps; }

  struct Forward {
    std::vector<float> states, gates;
  };
  Forward forward() const {
    const float unwritten = std::numeric_limits<float>::quiet_NaN();
    Forward f{std::vector<float>(words() * units, unwritten), std::vector<float>(words() * 4 * units, unwritten)};
    kernels::gru(operands(), f.states.data(), f.gates.data());
    return f;
  }
  /// dx, dW, dU, db, dc.
  std::vector<std::vector<float>> backward() const {
    const Forward f = forward();
    std::vector<std::vector<float>> d;
    for (std::size_t n : {x.size(), W.size(), U.size(), b.size(), c.size()})
      d.emplace_back(n, std::numeric_limits<float>::quiet_NaN());
    kernels::gru_grad(operands(), f.states.data(), f.gates.data(), dy.data(),
                      {d[0].data(), d[1].data(), d[2].data(), d[3].data(), d[4].data()});
    return d;
  }
};

/// The operands of a call in double, in the order of the gradients, and its states by the equations.
struct Exact {
  const Call& call;
  std::vector<double> values[5];

  explicit Exact(const Call& k) : call(k) {
    const std::vector<float>* from[5] = {&k.x, &k.W, &k.U, &k.b, &k.c};
    for (std::size_t i = 0; i < 5; ++i) values[i].assign(from[i]->begin(), from[i]->end());
  }

  /// Column j of row matrix + bias.
  static double product(const double* row, const std::vector<double>& matrix, const std::vector<double>& bias,
                        std::size_t j) {
    double a = bias[j];
    for (std::size_t k = 0, n = matrix.size() / bias.size(); k < n; ++k) a += row[k] * matrix[k * bias.size() + j];
    return a;
  }

  std::vector<double> states() const {
    const std::size_t E = call.inputs, h = call.units, T = call.steps;
    const auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
    std::vector<double> y(call.words() * h, 0.0);
    for (std::size_t s = 0; s < call.lengths.size(); ++s) {
      std::vector<double> state(h, 0.0);
      for (std::size_t i = 0; i < call.lengths[s]; ++i) {
        const std::size_t word = s * T + (call.reverse ? call.lengths[s] - 1 - i : i);
        const std::vector<double> before = state;
        for (std::size_t j = 0; j < h; ++j) {
          const auto a = [&](std::size_t gate) {
            return product(&values[0][word * E], values[1], values[3], gate * h + j);
          };
          const auto g = [&](std::size_t gate) { return product(before.data(), values[2], values[4], gate * h + j); };
          const double r = sigmoid(a(0) + g(0)), z = sigmoid(a(1) + g(1)), n = std::tanh(a(2) + r * g(2));
          y[word * h + j] = state[j] = (1 - z) * n + z * before[j];
        }
      }
    }
    return y;
  }

  double objective() const {
    const std::vector<double> y = states();
    double f = 0;
    for (std::size_t i = 0; i < y.size(); ++i) f += static_cast<double>(call.dy[i]) * y[i];
    return f;
  }
  double difference(std::size_t operand, std::size_t element) {
    double& v = values[operand][element];
    const double v0 = v, step = 1e-5;
    v = v0 + step;
    const double up = objective();
    v = v0 - step;
    const double down = objective();
    v = v0;
    return (up - down) / (2 * step);
  }
};

double largest(const std::vector<float>& v) {
  double top = 1e-3;
  for (float x : v) top = std::max(top, static_cast<double>(std::abs(x)));
  return top;
}

void check_case(const Call& call) {
  INFO("units " << call.units << ", batch " << call.lengths.size() << (call.reverse ? ", reverse" : ""));
  Exact exact(call);
  const std::vector<double> states = exact.states();
  // About twenty elements of each gradient, at a stride that meets every gate and row.
  std::vector<std::vector<double>> differences(5);
  const auto stride = [&](std::size_t i) { return std::max<std::size_t>(1, exact.values[i].size() / 20) | 1; };
  for (std::size_t i = 0; i < 5; ++i) {
    for (std::size_t e = 0; e < exact.values[i].size(); e += stride(i))
      differences[i].push_back(exact.difference(i, e));
  }
  on_every_target([&] {
    const std::vector<float> y = call.forward().states;
    for (std::size_t i = 0; i < y.size(); ++i) {
      INFO("state " << i);
      REQUIRE(std::abs(static_cast<double>(y[i]) - states[i]) <= 2e-6);
    }
    const std::vector<std::vector<float>> d = call.backward();
    for (std::size_t i = 0; i < 5; ++i) {
      const double tolerance = 4e-6 * largest(d[i]);
      for (std::size_t e = 0; e < differences[i].size(); ++e) {
        INFO("gradient " << i << " element " << e * stride(i));
        REQUIRE(std::abs(static_cast<double>(d[i][e * stride(i)]) - differences[i][e]) <= tolerance);
      }
    }
  });
}

}  // namespace

TEST_CASE("the gru kernel and its gradient are the equations, for every kind of width, batch and length") {
  for (const bool reverse : {false, true}) {
    check_case(Call(1, 1, 1, {1}, reverse));
    check_case(Call(3, 5, 4, {4, 4, 4}, reverse));
    check_case(Call(2, 16, 5, {1, 5, 0, 3, 3}, reverse));                    // one vector of AVX-512
    check_case(Call(7, 19, 6, {2, 6, 1, 4, 6, 3, 5, 6, 2, 1, 6}, reverse));  // tiles and what is left of them
    check_case(Call(4, 53, 3, {3, 1, 2, 3, 3, 3, 3, 3, 3}, reverse));        // a group of three vectors and one
  }
}

TEST_CASE("a gru whose words fill several chunks is the equations") {
  std::vector<std::size_t> lengths;
  for (std::size_t i = 0; i < 70; ++i) lengths.push_back(7 + i % 11);
  check_case(Call(2, 3, 17, lengths, true));
}

TEST_CASE("what stands in the padding is not read, and comes out as 0") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  on_every_target([&] {
    Call call(3, 5, 6, {4, 6, 2}, true);
    const std::vector<float> y = call.forward().states;
    const std::vector<std::vector<float>> d = call.backward();
    std::fill_n(call.x.begin() + 4 * 3, 2 * 3, nan);
    std::fill_n(call.dy.begin() + 4 * 5, 2 * 5, nan);
    CHECK(call.forward().states == y);
    CHECK(call.backward() == d);
    CHECK(std::count(y.begin() + 4 * 5, y.begin() + 6 * 5, 0.0f) == 2 * 5);
    CHECK(std::count(d[0].begin() + 4 * 3, d[0].begin() + 6 * 3, 0.0f) == 2 * 3);
  });
}

TEST_CASE("a NaN goes into the states of its own sequence from its word on, and into no other") {
  on_every_target([] {
    Call call(3, 4, 5, {5, 5, 5}, false);
    call.x[(1 * 5 + 2) * 3] = std::numeric_limits<float>::quiet_NaN();
    const std::vector<float> y = call.forward().states;
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::isnan(y[i]) == (i >= (1 * 5 + 2) * 4 && i < 2 * 5 * 4));
  });
}

TEST_CASE("a saturated gru stays finite and at the equations' limits") {
  on_every_target([] {
    Call call(1, 2, 4, {4}, false);
    for (std::vector<float>* v : {&call.W, &call.U, &call.c}) std::fill(v->begin(), v->end(), 0.0f);
    call.b = {0, 0, -200, -200, 200, -200};  // z = 0: h = n = +-1
    const std::vector<float> y = call.forward().states;
    for (std::size_t i = 0; i < y.size(); ++i) CHECK(y[i] == (i % 2 ? -1.0f : 1.0f));
    for (const std::vector<float>& d : call.backward()) {
      for (float v : d) CHECK(std::abs(v) < 1e-6f);
    }
  });
}
