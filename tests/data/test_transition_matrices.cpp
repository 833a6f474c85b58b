#include <Eigen/Dense>
#include <catch2/catch.hpp>
#include <vector>

#include "data/dirichlet.h"
#include "data/transition_matrices.h"

namespace saltus {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// A chain of n states with Dirichlet rows.
Matrix random_chain(int n, double concentration, std::uint32_t number) {
  const Rng rng(9, Stream::data);
  RngCursor cursor(rng, number, 0, 0);
  Matrix P(n, n);
  for (int i = 0; i < n; ++i) Dirichlet(concentration).draw(cursor, {P.data() + i * n, static_cast<std::size_t>(n)});
  return P;
}

Eigen::RowVectorXd stationary(Matrix P) {
  Eigen::RowVectorXd pi(P.rows());
  const auto n = static_cast<std::size_t>(P.rows());
  stationary_distribution({P.data(), n * n}, {pi.data(), n});
  return pi;
}

}  // namespace

TEST_CASE("the stationary distribution stays as it is") {
  const int n = GENERATE(2, 3, 5, 17, 64);
  const double concentration = GENERATE(0.05, 1.0, 10.0);
  for (std::uint32_t i = 0; i < 20; ++i) {
    const Matrix P = random_chain(n, concentration, i);
    const Eigen::RowVectorXd pi = stationary(P);
    REQUIRE(pi.minCoeff() > 0);
    REQUIRE(pi.sum() == Approx(1).epsilon(1e-13));
    REQUIRE((pi * P - pi).cwiseAbs().maxCoeff() < 1e-13);
  }
}

TEST_CASE("a chain of two states has its stationary distribution in closed form, however rarely one is left") {
  for (const double p : {0.3, 1e-6, 1e-12}) {
    const double q = 0.25;
    Matrix P(2, 2);
    P << 1 - p, p, q, 1 - q;
    CHECK(stationary(P)(1) == Approx(p / (p + q)).epsilon(1e-14));
  }
}

TEST_CASE("scaled matrices are doubly stochastic and keep their cross ratios") {
  const int n = GENERATE(2, 3, 8);
  for (std::uint32_t i = 0; i < 20; ++i) {
    const Matrix before = random_chain(n, 1, i);
    Matrix P = before;
    std::vector<double> columns(static_cast<std::size_t>(n));
    make_doubly_stochastic({P.data(), static_cast<std::size_t>(n * n)}, columns);
    for (int j = 0; j < n; ++j) {
      REQUIRE(P.row(j).sum() == Approx(1).epsilon(1e-14));
      REQUIRE(P.col(j).sum() == Approx(1).epsilon(1e-8));
    }
    const auto ratio = [](const Matrix& m) { return m(0, 0) * m(1, 1) / (m(0, 1) * m(1, 0)); };
    CHECK(ratio(P) == Approx(ratio(before)).epsilon(1e-9));
  }
}

}  // namespace saltus
