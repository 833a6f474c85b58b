#include <catch2/catch.hpp>
#include <limits>

#include "experiments/icl_regression/measures.h"
#include "regression_circuits.h"

using namespace saltus;
using namespace saltus::icl_regression;
using namespace saltus::tests;

namespace {

using Numbers = std::vector<double>;
using Flags = std::vector<bool>;

/// d = 2, one task, with M = [1 2; 0 3], KQ_21 = (3 4), OV = (1 2 -2).
Planted head_by_hand() {
  Planted head(1, 2, 1);
  head.set(0, {1, 3}, {-2});
  head.kq_of(0, 0, 1) = 2;
  head.kq_of(0, 2, 0) = 3;
  head.kq_of(0, 2, 1) = 4;
  head.ov_of(0, 0, 0) = 1;
  head.ov_of(0, 0, 1) = 2;
  return head;
}

LinearRegressionConfig small_task(std::int64_t d) {
  LinearRegressionConfig task;
  task.input_dim = d;
  task.n_context = 8;
  return task;
}

/// All measures of the weights for these heads, on a batch that they do not depend on.
Measured measured(const Circuits& heads, const Linearisation& linearisation = {}, const Numbers& preconditioner = {}) {
  const LinearRegressionConfig task = small_task(heads.input_dim);
  PlantedBatch samples(task, 3);
  return {CircuitProbe(task, heads.n_heads, linearisation, preconditioner), heads, samples};
}

}  // namespace

TEST_CASE("one head's circuits, by hand") {
  const Planted planted = head_by_hand();
  const HeadCircuits head = planted.head(0);
  CHECK(kq_block(head) == Numbers{1, 2, 0, 3});
  CHECK(kq_diagonal(head) == Numbers{1, 3});
  CHECK(omega(head) == 2);
  CHECK(mu(head) == -2);
  CHECK(kq_diagonal_ratio(head) == Approx(std::sqrt(10 / 14.0)));
  CHECK(kq_diagonal_variance(head) == Approx(0.25));  // the population's: ((1-2)^2 + (3-2)^2) / 2, over 2^2
  CHECK(kq_off_diagonal_sup(head) == 2);
  CHECK(kq21_norm(head) == Approx(5));
  CHECK(ov_last_ratio(head) == Approx(2 / 3.0));
}

TEST_CASE("relative variance of the trained diagonals that the authors print for two heads") {
  // Their table says 3.3e-6 for such a run, which is of the size of these diagonals' variance before the division by
  // mean^2 (3.6e-6, 7.0e-6).
  Planted heads(2, 5, 1);
  heads.set(0, {-.1268, -.1231, -.1281, -.1284, -.1262}, {-3.5});
  heads.set(1, {.1240, .1278, .1238, .1300, .1233}, {3.5});
  CHECK(kq_diagonal_variance(heads.head(0)) == Approx(3.5816e-6 / (.12652 * .12652)).epsilon(0.001));
  CHECK(kq_diagonal_variance(heads.head(1)) == Approx(7.0256e-6 / (.12578 * .12578)).epsilon(0.001));
}

TEST_CASE("ratios of a head that is zero are zero, and a diagonal of mean zero has infinite relative variance") {
  const Planted zero(1, 2, 1);
  CHECK(kq_diagonal_ratio(zero.head(0)) == 0);
  CHECK(kq_diagonal_variance(zero.head(0)) == 0);
  CHECK(ov_last_ratio(zero.head(0)) == 0);
  Planted opposed(1, 2, 1);
  opposed.set(0, {1, -1}, {0});
  CHECK(kq_diagonal_variance(opposed.head(0)) == std::numeric_limits<double>::infinity());
}

TEST_CASE("cosine and normalised distance do not see a scale, and say 0 and 1 when there is no direction") {
  const Numbers x = {3, 4}, y = {4, -3}, z = {0, 0};
  CHECK(cosine(x, Numbers{6, 8}) == Approx(1));
  CHECK(cosine(x, Numbers{-3, -4}) == Approx(-1));
  CHECK(cosine(x, y) == 0);
  CHECK(cosine(x, z) == 0);
  CHECK(normalised_distance(x, Numbers{6, 8}) == 0);
  CHECK(normalised_distance(x, Numbers{-3, -4}) == Approx(2));
  CHECK(normalised_distance(x, y) == Approx(std::sqrt(2)));
  CHECK(normalised_distance(x, z) == Approx(1));
  CHECK(normalised_distance(z, z) == 0);
}

TEST_CASE("a pair of heads that do debiased gradient descent") {
  const Numbers o = {0.13, -0.13}, m = {3.4, -3.4};
  CHECK(dummy_heads(o, m) == Flags{false, false});
  CHECK(sign_match(o, m) == 1);
  CHECK(zero_sum_residual(m) == 0);
  CHECK(homogeneity(o, m) == 0);
  CHECK(effective_learning_rate(o, m) == Approx(0.884));
  CHECK(moment(o, m, 0) == 0);
  CHECK(moment(o, m, 1) == Approx(0.884));
  CHECK(moment(o, m, 2) == 0);
  CHECK_FALSE(same_sign_trap(o, m));
}

TEST_CASE("a single head sums to its own mu, and one head cannot be trapped") {
  const Numbers o = {0.5}, m = {1.5};
  CHECK(sign_match(o, m) == 1);
  CHECK(zero_sum_residual(m) == 1);
  CHECK(homogeneity(o, m) == 0);
  CHECK(effective_learning_rate(o, m) == Approx(0.75));
  CHECK(moment(o, m, 2) == Approx(0.375));
  CHECK_FALSE(same_sign_trap(o, m));
}

TEST_CASE("a head is a dummy when both its omega and its mu are small beside the largest") {
  const Numbers o = {0.1, -0.1, 0.019, 0.019, 0.021}, m = {3, -3, 0.14, 0.16, 0.14};
  CHECK(dummy_heads(o, m) == Flags{false, false, true, false, false});
  CHECK(sign_match(Numbers{0.1, -0.1, 0.001}, Numbers{3, -3, -0.01}) ==
        1);  // the third has the wrong sign and does not count
  CHECK(sign_match(Numbers{0.1, -0.1, 0.1, 0.1}, Numbers{3, -3, -3, 3}) == 0.75);
}

TEST_CASE("homogeneity is over the heads that work: |omega| of 0.1 and 0.3 spread by 0.1 around 0.2") {
  CHECK(homogeneity(Numbers{0.1, -0.3, 0.01}, Numbers{1, -1, 0.01}) == Approx(0.5));
}

TEST_CASE("the same-sign trap: heads that work, all of one sign") {
  CHECK(same_sign_trap(Numbers{0.5, 0.45}, Numbers{0.8, 0.7}));
  CHECK(same_sign_trap(Numbers{-0.5, -0.45}, Numbers{-0.8, -0.7}));
  CHECK(same_sign_trap(Numbers{0.5, -0.001}, Numbers{1.5, -0.001}));  // the other head is a dummy
  CHECK_FALSE(same_sign_trap(Numbers{0.5, -0.3}, Numbers{0.8, -0.7}));
  CHECK_FALSE(same_sign_trap(Numbers{0, 0}, Numbers{0, 0}));
}

TEST_CASE("heads that are all zero are all dummies, and every measure is a number") {
  const Numbers zero = {0, 0};
  CHECK(dummy_heads(zero, zero) == Flags{true, true});
  CHECK(sign_match(zero, zero) == 0);
  CHECK(zero_sum_residual(zero) == 0);
  CHECK(homogeneity(zero, zero) == 0);
  const Measured m = measured(Planted(2, 3, 1));
  CHECK(m["n_dummy"] == 2);
  CHECK(m["n_positive"] == 0);
  CHECK(m["trapped"] == 0);
  CHECK(m["n_diagonal_heads"] == 0);
  for (const double v : m.values) CHECK(std::isfinite(v));
}

TEST_CASE("the circuit probe writes each head's and the model's measures under their names") {
  Planted heads = heads_of({0.2, -0.1, 0.01}, {3, -2, 0.1}, 2);
  heads.kq_of(1, 0, 1) = 0.5;  // the second head is off the diagonal: ratio .1414 / .5196, outside the authors' filter
  heads.kq_of(0, 0, 0) = 0.3;
  heads.kq_of(0, 1, 1) = 0.1;
  const Measured m = measured(heads);
  const auto near = [](const Numbers& x) { return Catch::Matchers::Approx(x).epsilon(1e-6); };
  CHECK_THAT(m.all("omega"), near({0.2, -0.1, 0.01}));
  CHECK_THAT(m.all("mu"), near({3, -2, 0.1}));
  CHECK_THAT(m.all("kq_diagonal_ratio"), near({1, std::sqrt(0.02 / 0.27), 1}));
  CHECK(m.all("dummy") == Numbers{0, 0, 1});
  CHECK(m["sign_match"] == 1);
  CHECK(m["zero_sum"] == Approx(1.1 / 5.1));
  CHECK(m["homogeneity"] == Approx(0.05 / 0.15));
  CHECK(m["n_dummy"] == 1);
  CHECK(m["n_positive"] == 1);
  CHECK(m["n_negative"] == 1);
  CHECK(m["trapped"] == 0);
  CHECK(m["effective_learning_rate"] == Approx(0.6 + 0.2 + 0.001));
  CHECK(m["moment_0"] == Approx(1.1));
  CHECK(m["moment_2"] == Approx(3 * 0.04 - 2 * 0.01 + 0.1 * 1e-4));
  CHECK(m["n_diagonal_heads"] == 2);
  CHECK(m["kq_diagonal_ratio_mean"] == Approx(1));
  CHECK(m["kq_diagonal_variance_mean"] == Approx(0.25 / 2).epsilon(1e-5));  // heads 0 and 2
  CHECK_THAT(m.all("kq_off_diagonal_sup"), near({0, 0.5, 0}));
}

TEST_CASE("another activation's slope scales the learning rate: eta = sum C_f omega mu") {
  const Planted pair = heads_of({0.13, -0.13}, {3.4, -3.4});
  CHECK(measured(pair)["effective_learning_rate"] == Approx(0.884));
  CHECK(measured(pair, {.slope = 0.5})["effective_learning_rate"] == Approx(0.442));
  CHECK(measured(pair, {.slope = 0.5})["preconditioner_multiple"] == Approx(0.442));
}

TEST_CASE("heads along +-Omega* have cosine +-1 and distance 0, and their sum is a multiple of it") {
  const Numbers omega_star = {1.25, -0.5, -0.5, 1};
  Planted heads(3, 2, 1);
  for (int i = 0; i < 2; ++i) {
    for (int j = 0; j < 2; ++j) {
      heads.kq_of(0, i, j) = 0.1 * omega_star[static_cast<std::size_t>(2 * i + j)];
      heads.kq_of(1, i, j) = -0.1 * omega_star[static_cast<std::size_t>(2 * i + j)];
    }
  }
  heads.set(2, {1, -1.25}, {0});  // at right angles: 1.25 - 1.25
  heads.ov_of(0, 0, 2) = 4;
  heads.ov_of(1, 0, 2) = -4;
  const Measured m = measured(heads, {}, omega_star);
  CHECK_THAT(m.all("preconditioner_cosine"), Catch::Matchers::Approx(Numbers{1, -1, 0}).margin(1e-6));
  CHECK_THAT(m.all("preconditioner_distance"), Catch::Matchers::Approx(Numbers{0, 0, std::sqrt(2)}).margin(1e-6));
  CHECK(m["preconditioner_multiple"] == Approx(0.8));
  CHECK_THROWS_WITH(CircuitProbe(small_task(3), 2, {}, omega_star),
                    Catch::Contains("preconditioner has 4 numbers, not n_tasks x input_dim x input_dim = 9"));
}

TEST_CASE("KQ's last column meets the query's zero label: no measure reads it") {
  Planted heads = heads_of({0.2, -0.1}, {3, -2}, 3);
  heads.kq_of(0, 3, 1) = 0.7;
  const Numbers clean = measured(heads).values;
  CHECK(measured(heads.with_useless(1e6)).values == clean);
  CHECK(measured(heads.with_useless(std::nan(""))).values == clean);
  heads.kq_of(0, 3, 1) = 0.8;  // an entry that counts
  CHECK(measured(heads).values != clean);
}
