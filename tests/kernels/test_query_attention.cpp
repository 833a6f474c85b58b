#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/query_attention.h"
#include "kernels/targets.h"

using namespace saltus;
using saltus::tests::on_every_target;

namespace {

struct Case {
  std::int64_t batch, heads, features, context, outputs;
};
// Fewer samples than lanes, one more than whole vectors of them; rows shorter than a quarter vector; every kind of
// block and tail.
const std::vector<Case> cases = {{1, 1, 1, 1, 1},   {3, 2, 2, 2, 1},   {17, 1, 3, 5, 2},
                                 {16, 2, 6, 40, 1}, {33, 3, 7, 19, 3}, {5, 2, 13, 9, 1}};
const std::vector<ContextWeights> all_weights = {ContextWeights::softmax, ContextWeights::one_plus,
                                                 ContextWeights::relu,    ContextWeights::tanh,
                                                 ContextWeights::sigmoid, ContextWeights::linear};

/// A call with operands of its own.
struct Call {
  std::vector<float> tokens, KQ, OV, dy;
  kernels::QueryAttention q;

  Call(const Case& c, ContextWeights weights, double KQ_std = 0.2) {
    std::mt19937 random(3);
    const auto draw = [&random](std::int64_t n, double std) {
      std::normal_distribution<double> normal(0, std);
      std::vector<float> x(static_cast<std::size_t>(n));
      for (float& v : x) v = static_cast<float>(normal(random));
      return x;
    };
    tokens = draw(c.batch * c.features * (c.context + 1), 1);
    KQ = draw(c.heads * c.features * c.features, KQ_std / static_cast<double>(c.features));
    OV = draw(c.heads * c.outputs * c.features, 1);
    dy = draw(c.batch * c.outputs, 1);
    const float least = weights == ContextWeights::linear ? 7.0f : 0.01f * static_cast<float>(c.context);
    q = {weights, c.batch, c.heads, c.features, c.context, c.outputs, least, tokens.data(), KQ.data(), OV.data()};
  }

  std::vector<float> forward() const {
    std::vector<float> y(static_cast<std::size_t>(q.batch * q.outputs));
    kernels::query_attention(q, y.data());
    return y;
  }
  /// dKQ and dOV, one after the other.
  std::vector<float> backward() const {
    std::vector<float> d(KQ.size() + OV.size());
    kernels::query_attention_grad(q, dy.data(), d.data(), d.data() + KQ.size());
    return d;
  }
};

/// One answer, written out in double: y[b, o] for the given KQ and OV.
double answer(const Call& c, const std::vector<double>& KQ, const std::vector<double>& OV, std::int64_t b,
              std::int64_t o) {
  const std::int64_t D = c.q.features, L = c.q.context;
  const auto z = [&](std::int64_t i, std::int64_t l) {
    return static_cast<double>(c.tokens[static_cast<std::size_t>((b * D + i) * (L + 1) + l)]);
  };
  double y = 0;
  for (std::int64_t h = 0; h < c.q.heads; ++h) {
    double norm = 0, sum = 0;
    for (std::int64_t l = 0; l < L; ++l) {
      double s = 0, value = 0;
      for (std::int64_t i = 0; i < D; ++i) {
        for (std::int64_t j = 0; j < D; ++j) s += z(i, l) * KQ[static_cast<std::size_t>((h * D + i) * D + j)] * z(j, L);
        value += OV[static_cast<std::size_t>((h * c.q.outputs + o) * D + i)] * z(i, l);
      }
      switch (c.q.weights) {
        case ContextWeights::softmax:
          s = std::exp(s);
          break;
        case ContextWeights::one_plus:
          s = 1 + s;
          break;
        case ContextWeights::relu:
          s = std::max(1 + s, 0.0);
          break;
        case ContextWeights::tanh:
          s = 1 + std::tanh(s);
          break;
        case ContextWeights::sigmoid:
          s = 1 / (1 + std::exp(-s));
          break;
        case ContextWeights::linear:
          break;
      }
      norm += s;
      sum += s * value;
    }
    const auto least = static_cast<double>(c.q.least_norm);
    if (c.q.weights == ContextWeights::linear) norm = least;
    y += sum / (c.q.weights == ContextWeights::softmax ? norm : std::max(norm, least));
  }
  return y;
}

/// Central differences of sum dy y with respect to KQ and OV.
std::vector<double> differences(const Call& c) {
  std::vector<double> KQ(c.KQ.begin(), c.KQ.end()), OV(c.OV.begin(), c.OV.end()), out;
  const auto objective = [&] {
    double f = 0;
    for (std::int64_t b = 0; b < c.q.batch; ++b) {
      for (std::int64_t o = 0; o < c.q.outputs; ++o)
        f += static_cast<double>(c.dy[static_cast<std::size_t>(b * c.q.outputs + o)]) * answer(c, KQ, OV, b, o);
    }
    return f;
  };
  for (std::vector<double>* weights : {&KQ, &OV}) {
    for (double& w : *weights) {
      const double w0 = w, h = 1e-5;
      w = w0 + h;
      const double up = objective();
      w = w0 - h;
      out.push_back((up - objective()) / (2 * h));
      w = w0;
    }
  }
  return out;
}

template <class A, class B>
void require_close(const A& a, const B& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  double scale = 1e-3;
  for (auto v : b) scale = std::max(scale, std::abs(static_cast<double>(v)));
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO("element " << i << ": " << a[i] << " against " << b[i]);
    REQUIRE(std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])) <= tolerance * scale);
  }
}

void check_case(const Case& shape, ContextWeights weights, double KQ_std = 0.2) {
  const Call c(shape, weights, KQ_std);
  std::vector<double> expected;
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t o = 0; o < shape.outputs; ++o)
      expected.push_back(answer(c, {c.KQ.begin(), c.KQ.end()}, {c.OV.begin(), c.OV.end()}, b, o));
  }
  const std::vector<double> gradient = differences(c);
  on_every_target([&] {
    INFO("weights " << static_cast<int>(weights) << ", batch " << shape.batch << ", context " << shape.context);
    require_close(c.forward(), expected, 2e-6);
    require_close(c.backward(), gradient, 4e-6);
  });
}

}  // namespace

TEST_CASE("query attention and its gradient are the formula, for every kind of weights and shape") {
  for (ContextWeights weights : all_weights) {
    for (const Case& shape : cases) check_case(shape, weights);
  }
}

TEST_CASE("sharp softmax attention underflows to 0 and not to anything else") {
  check_case({4, 1, 4, 30, 1}, ContextWeights::softmax, 100);
}

TEST_CASE("a sum of weights below 0.01 L is replaced by it, and carries no gradient") {
  // One feature, z_q = 1, columns 1 and 2: with KQ = -2 the scores are -2 and -4, the sum of 1 + s is -4, below 0.02.
  const std::vector<float> tokens = {1, 2, 1}, KQ = {-2}, OV = {1}, dy = {1};
  const kernels::QueryAttention q{ContextWeights::one_plus, 1, 1, 1, 2, 1, 0.02f, tokens.data(), KQ.data(), OV.data()};
  on_every_target([&] {
    float y = 0, dKQ = 0, dOV = 0;
    kernels::query_attention(q, &y);
    kernels::query_attention_grad(q, dy.data(), &dKQ, &dOV);
    CHECK(y == Approx((-1 * 1 + -3 * 2) / 0.02));
    CHECK(dKQ == Approx((1 * 1 + 2 * 2) / 0.02));
    CHECK(dOV == Approx(y));
  });
}

TEST_CASE("a sample's answer does not depend on the samples beside it") {
  on_every_target([] {
    Call c({33, 2, 6, 11, 2}, ContextWeights::softmax);
    const std::vector<float> together = c.forward();
    c.q.batch = 1;
    for (std::size_t b = 0; b < 33; ++b) {
      c.q.tokens = c.tokens.data() + b * 6 * 12;
      const std::vector<float> alone = c.forward();
      REQUIRE(std::equal(alone.begin(), alone.end(), together.begin() + static_cast<std::ptrdiff_t>(2 * b)));
    }
  });
}

TEST_CASE("NaN and overflow come out as NaN, in the sample that they are in") {
  const Case shape = {5, 1, 3, 8, 1};
  for (ContextWeights weights : all_weights) {
    on_every_target([&] {
      INFO("weights " << static_cast<int>(weights));
      Call c(shape, weights);
      c.KQ[4] = std::numeric_limits<float>::quiet_NaN();
      for (float y : c.forward()) CHECK(std::isnan(y));
      const std::vector<float> d = c.backward();  // linear weights' dKQ does not depend on KQ
      for (std::size_t i = c.KQ.size(); i < d.size(); ++i) CHECK(std::isnan(d[i]));
      Call one(shape, weights);
      one.tokens[2 * 3 * 9 + 5] = std::numeric_limits<float>::quiet_NaN();
      const std::vector<float> y = one.forward();
      for (std::size_t b = 0; b < y.size(); ++b) CHECK(std::isnan(y[b]) == (b == 2));
    });
  }
  on_every_target([&] {
    Call c({5, 1, 2, 8, 1}, ContextWeights::softmax);
    std::fill(c.tokens.begin(), c.tokens.end(), 1.5f);
    c.KQ[0] = c.KQ[3] = 2e38f, c.KQ[1] = c.KQ[2] = 0;  // KQ z_q is finite, the scores are not
    for (float y : c.forward()) CHECK(std::isnan(y));
    for (float d : c.backward()) CHECK(std::isnan(d));
  });
}
