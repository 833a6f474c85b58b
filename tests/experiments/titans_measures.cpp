#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "experiments/titans/measures.h"

using namespace saltus;
using namespace saltus::titans;

namespace {

/// A trace that owns its arrays.
struct Planted {
  std::int64_t n, d;
  std::vector<float> q, k, theta, eta, alpha;

  Planted(std::int64_t tokens, std::int64_t features, float t, float e, float a)
      : n(tokens),
        d(features),
        q(static_cast<std::size_t>(n * d)),
        k(q.size()),
        theta(static_cast<std::size_t>(n), t),
        eta(theta.size(), e),
        alpha(theta.size(), a) {}
  measures::Trace trace() const { return {n, d, q.data(), k.data(), theta.data(), eta.data(), alpha.data()}; }
};

/// Gates at random, and rows of q and k too.
Planted random_trace(std::int64_t n, std::int64_t d) {
  Planted p(n, d, 0, 0, 0);
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform(0.01F, 0.99F);
  for (std::vector<float>* x : {&p.q, &p.k, &p.theta, &p.eta, &p.alpha}) {
    for (float& v : *x) v = uniform(random);
  }
  return p;
}

/// Writes the target 0 to one unit key again and again, with M and S along it from 1 and 0, as the rule says; |M| at
/// the end.
double after_writes(double theta, double eta, double alpha, int writes) {
  double M = 1, S = 0;
  for (int i = 0; i < writes; ++i) {
    S = eta * S - theta * 2 * M;
    M = (1 - alpha) * M + S;
  }
  return std::abs(M);
}

}  // namespace

TEST_CASE("titans: the half-life of decay alone") {
  CHECK(measures::decay_half_life(std::vector<float>{0.5F, 0.5F}) == Approx(1));
  CHECK(measures::decay_half_life(std::vector<float>(10, 0.01F)) == Approx(std::log(0.5) / std::log(0.99)));
  // A quarter in two tokens: a half in one.
  CHECK(measures::decay_half_life(std::vector<float>{0.75F, 0}) == Approx(1));
  CHECK(measures::decay_half_life(std::vector<float>{0, 0}) == std::numeric_limits<double>::infinity());
}

TEST_CASE("titans: the stability margin changes its sign where writing to one key begins to diverge") {
  for (float eta : {0.0F, 0.5F, 0.9F}) {
    for (float alpha : {0.0F, 0.1F}) {
      const double edge = (2.0 - alpha) * (1.0 + eta) / 2;
      for (double off : {-0.02, 0.02}) {
        Planted p(3, 2, 0.1F, eta, alpha);
        p.theta[1] = static_cast<float>(edge + off);
        INFO("eta " << eta << " alpha " << alpha << " theta " << p.theta[1]);
        CHECK(measures::stability_margin(p.trace()) == Approx(-2 * off).margin(1e-6));
        const double late = after_writes(edge + off, eta, alpha, 4000);
        CHECK((off < 0 ? late < 1e-2 : !(late < 1e2)));
      }
    }
  }
}

TEST_CASE("titans: repetition grows in chunks where it would not token by token") {
  for (float eta : {0.0F, 0.5F, 0.9F}) {
    for (double off : {-0.02, 0.02}) {
      const Planted p(4, 2, static_cast<float>((1.9 * (1.0 + eta)) / 2 + off), eta, 0.1F);
      CHECK((measures::repetition_growth(p.trace(), 1) > 1) == (off > 0));
      CHECK((measures::stability_margin(p.trace()) < 0) == (off > 0));
    }
  }
  const Planted p(8, 2, 0.25F, 0, 0);
  CHECK(measures::repetition_growth(p.trace(), 1) == Approx(0.5));
  CHECK(measures::repetition_growth(p.trace(), 2) ==
        Approx(0).margin(1e-9));  // one chunk's two halves of a step: exactly there
  CHECK(measures::repetition_growth(p.trace(), 8) == Approx(std::pow(3, 1 / 8.0)));
  CHECK(measures::stability_margin(p.trace()) > 0);
}

TEST_CASE("titans: key interference is the mean of |k_i . k_j| over pairs") {
  Planted p(3, 2, 0, 0, 0);
  p.k = {1, 0, -1, 0, 0, 1};
  CHECK(measures::key_interference(p.trace()) == Approx(1.0 / 3));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  Planted many(200, 32, 0, 0, 0);
  for (std::int64_t i = 0; i < many.n; ++i) {
    Eigen::Map<Eigen::VectorXf> key(many.k.data() + i * many.d, many.d);
    for (float& x : key) x = normal(random);
    key.normalize();
  }
  CHECK(measures::key_interference(many.trace()) == Approx(std::sqrt(2 / (3.14159265 * 32))).epsilon(0.03));
}

TEST_CASE(
    "titans: influence is the triple sum of its definition, and what a memory of given gradients remembers of them") {
  const Planted p = random_trace(7, 2);
  const std::vector<double> G = measures::influence(p.trace());
  std::vector<double> S(7), M(7);  // one row of weights a token: what each gradient contributes
  for (std::size_t i = 0; i < 7; ++i) {
    for (std::size_t j = 0; j < 7; ++j) {
      double sum = 0;
      for (std::size_t m = j; m <= i && j <= i; ++m) {
        double product = p.theta[j];
        for (std::size_t l = m + 1; l <= i; ++l) product *= 1.0 - p.alpha[l];
        for (std::size_t l = j + 1; l <= m; ++l) product *= p.eta[l];
        sum += product;
      }
      S[j] = p.eta[i] * S[j] + (i == j ? p.theta[j] : 0.0);
      M[j] = (1.0 - p.alpha[i]) * M[j] + S[j];
      CHECK(G[i * 7 + j] == Approx(sum).margin(1e-15));
      CHECK(G[i * 7 + j] == Approx(M[j]).margin(1e-15));
    }
  }
}

TEST_CASE("titans: implicit attention is a write's share in what a query reads") {
  Planted p(4, 2, 0.1F, 0, 0);
  p.k = {1, 0, 0, 1, 0.6F, 0.8F, 0, 0};
  p.q = {0, 0, 0, 0, 0, 0, -1, 0};  // the last token reads along the first key, with a sign that does not matter
  const std::vector<double> G = measures::influence(p.trace());
  CHECK(measures::implicit_attention(p.trace(), G, 3, 0) == Approx(1 / 1.6));
  CHECK(measures::implicit_attention(p.trace(), G, 3, 1) == 0);
  CHECK(measures::implicit_attention(p.trace(), G, 3, 2) == Approx(0.6 / 1.6));
  CHECK(measures::implicit_attention(p.trace(), G, 1, 0) == 0);  // a query of zeros reads nothing

  p.alpha[1] = 0.5F;  // forgets half of the first write
  CHECK(measures::implicit_attention(p.trace(), measures::influence(p.trace()), 3, 0) == Approx(0.5 / 1.1));
  p.theta[2] = 0;
  CHECK(measures::implicit_attention(p.trace(), measures::influence(p.trace()), 3, 0) == Approx(1));
}

TEST_CASE("titans: alignment is a query's cosine with one key above that with the others") {
  Planted p(3, 2, 0, 0, 0);
  p.k = {3, 0, 0, 2, -1, 0};
  p.q = {1, 0, 0, 1, 5, 0};
  CHECK(measures::alignment(p.trace(), 2, 0) == Approx(1 + 0.5));
  CHECK(measures::alignment(p.trace(), 2, 1) == Approx(0).margin(1e-15));
  CHECK(measures::alignment(p.trace(), 2, 2) == Approx(-1 - 0.5));
  CHECK(measures::alignment(p.trace(), 0, 0) == 0);  // nothing to compare with
}

TEST_CASE("titans: the stable and the effective rank of planted matrices") {
  const std::vector<float> identity = {1, 0, 0, 0, 1, 0, 0, 0, 1}, outer = {1, 2, 2, 4, -3, -6},
                           diagonal = {2, 0, 0, 0, 1, 0};
  CHECK(measures::stable_rank(identity.data(), 3, 3) == Approx(3));
  CHECK(measures::stable_rank(outer.data(), 3, 2) == Approx(1));
  CHECK(measures::stable_rank(diagonal.data(), 2, 3) == Approx(1.25));
  CHECK(measures::stable_rank(std::vector<float>(4).data(), 2, 2) == 0);
  CHECK(measures::effective_rank(identity.data(), 3, 3) == Approx(3));
  CHECK(measures::effective_rank(outer.data(), 3, 2) == Approx(1).epsilon(1e-6));
  CHECK(measures::effective_rank(diagonal.data(), 2, 3) == Approx(3 / std::pow(2, 2.0 / 3)));  // p = 2/3, 1/3
  CHECK(measures::effective_rank(std::vector<float>(4).data(), 2, 2) == 0);
}
