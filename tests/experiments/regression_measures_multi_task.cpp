#include <catch2/catch.hpp>

#include "experiments/icl_regression/multi_task_measures.h"
#include "regression_circuits.h"

using namespace saltus;
using namespace saltus::icl_regression;
using namespace saltus::tests;

namespace {

using Numbers = std::vector<double>;

auto near(const Numbers& x) { return Catch::Matchers::Approx(x).margin(1e-12); }

/// omega in the six coordinates of two_tasks(): one number each for S_1 \ S*, S*, S_2 \ S*.
Numbers blockwise(double first, double both, double second) { return {first, first, both, both, second, second}; }

/// Three heads that do two descents with one head in common. With mu_1 = m (1, -1, 0) and mu_2 = m (0, -1, 1), the
/// identities
///   sum_h mu_1^h omega^h = (eta, eta, 0) and sum_h mu_2^h omega^h = (0, eta, eta) on the blocks
/// say omega^1 - omega^2 = (eta, eta, 0) / m and omega^3 - omega^2 = (0, eta, eta) / m. omega^2 is free: take (-1, -2,
/// -1) eta / (3 m), which makes each block's omega sum to zero over the heads.
Planted superposition(double m = 3, double eta = 0.9) {
  const double u = eta / (3 * m);
  Planted heads(3, 6, 2);
  heads.set(0, blockwise(2 * u, u, -u), {m, 0});
  heads.set(1, blockwise(-u, -2 * u, -u), {-m, -m});
  heads.set(2, blockwise(-u, u, 2 * u), {0, m});
  return heads;
}

/// Four heads: a pair for each task, with omega on its coordinates only.
Planted dedicated_pairs(double m = 3, double eta = 0.9) {
  const double w = eta / (2 * m);
  Planted heads(4, 6, 2);
  heads.set(0, blockwise(w, w, 0), {m, 0});
  heads.set(1, blockwise(-w, -w, 0), {-m, 0});
  heads.set(2, blockwise(0, w, w), {0, m});
  heads.set(3, blockwise(0, -w, -w), {0, -m});
  return heads;
}

/// Two heads for both tasks: the overlap's omega is larger, and off-support coordinates are used too.
Planted shared_pair() {
  Planted heads(2, 6, 2);
  heads.set(0, blockwise(0.1, 0.2, 0.1), {2, 2});
  heads.set(1, blockwise(-0.1, -0.2, -0.1), {-2, -2});
  return heads;
}

const Supports supports = {{0, 1, 2, 3}, {2, 3, 4, 5}};
const std::vector<std::vector<int>> blocks = {{0, 1}, {2, 3}, {4, 5}};

Measured measured(const Circuits& heads, const Linearisation& linearisation = {}) {
  PlantedBatch samples(two_tasks(), 3);
  return {MultiTaskProbe(two_tasks(), heads.n_heads, linearisation), heads, samples};
}

}  // namespace

TEST_CASE("blocks are the coordinates that the same tasks read") {
  CHECK(supports_of(two_tasks()) == supports);
  CHECK(support_blocks(supports, 6) == blocks);
  CHECK(support_blocks({{1, 2}, {2, 3}, {2}}, 5) == std::vector<std::vector<int>>{{0, 4}, {1}, {2}, {3}});
  CHECK(has_overlap_blocks(supports));
  CHECK_FALSE(has_overlap_blocks({{0, 1}, {2, 3}}));          // nothing in common
  CHECK_FALSE(has_overlap_blocks({{0, 1, 2}, {1, 2}}));       // the second has nothing of its own
  CHECK_FALSE(has_overlap_blocks({{0, 1}, {1, 2}, {0, 2}}));  // three tasks
}

TEST_CASE("superposition in three heads: two descents, as if each task had its own") {
  const Planted heads = superposition();
  const Numbers w = effective_weights(heads);
  CHECK_THAT(w, near({.9, .9, .9, .9, 0, 0, 0, 0, .9, .9, .9, .9}));
  CHECK(cross_label_share(heads) == 0);
  CHECK_THAT(effective_learning_rates(w, supports), near({.9, .9}));
  CHECK_THAT(zero_sum_residuals(heads), near({0, 0}));
  CHECK(block_constancy_residual(heads, blocks) == 0);
  CHECK_THAT(support_residuals(w, supports), near({0, 0}));
  CHECK(overlap_residual(heads, supports) == Approx(0).margin(1e-12));
  CHECK(dummy_heads(heads) == std::vector<bool>{false, false, false});
  // sum_j |omega_j| is 8 u, 8 u, 8 u: each task has its two heads in equal shares, and the second head serves both.
  CHECK_THAT(task_head_allocation(heads), near({.5, 0, .5, .5, 0, .5}));
}

TEST_CASE("a constant on one block's omega of all heads leaves the identities of superposition as they are") {
  Planted heads = superposition();
  for (int h = 0; h < 3; ++h) {
    for (const int j : {2, 3}) heads.kq_of(h, j, j) += 0.37;
  }
  CHECK_THAT(effective_weights(heads), near(effective_weights(superposition())));
  CHECK(overlap_residual(heads, supports) == Approx(0).margin(1e-12));
}

TEST_CASE("four heads make two dedicated pairs") {
  const Planted heads = dedicated_pairs();
  CHECK_THAT(effective_weights(heads), near({.9, .9, .9, .9, 0, 0, 0, 0, .9, .9, .9, .9}));
  CHECK_THAT(effective_weights(heads, 0.5), near({.45, .45, .45, .45, 0, 0, 0, 0, .45, .45, .45, .45}));
  CHECK_THAT(task_head_allocation(heads), near({.5, 0, .5, 0, 0, .5, 0, .5}));
  CHECK_THAT(zero_sum_residuals(heads), near({0, 0}));
  CHECK_THAT(support_residuals(effective_weights(heads), supports), near({0, 0}));
  CHECK(overlap_residual(heads, supports) == Approx(0).margin(1e-12));
}

TEST_CASE("with four heads the other identities leave the overlap's constant free") {
  Planted heads = dedicated_pairs();
  for (const int h : {0, 1}) {
    for (const int j : {2, 3}) heads.kq_of(h, j, j) += 0.1;  // mu_1 of the pair cancels it
  }
  CHECK_THAT(effective_weights(heads), near(effective_weights(dedicated_pairs())));
  CHECK_THAT(zero_sum_residuals(heads), near({0, 0}));
  CHECK(block_constancy_residual(heads, blocks) == Approx(0).margin(1e-12));
  // omega_S* - omega_S1 - omega_S2 is now (.1, .1, 0, 0): a spread of .05.
  double squares = 0;
  for (std::int64_t h = 0; h < 4; ++h) {
    for (const double o : kq_diagonal(heads.head(h))) squares += o * o / 24;
  }
  CHECK(overlap_residual(heads, supports) == Approx(0.05 / std::sqrt(squares)));
}

TEST_CASE("a pair that both tasks share is no two descents: its weights reach off each task's support") {
  const Planted heads = shared_pair();
  const Numbers w = effective_weights(heads);
  CHECK_THAT(w, near({.4, .4, .8, .8, .4, .4, .4, .4, .8, .8, .4, .4}));
  CHECK_THAT(effective_learning_rates(w, supports), near({.6, .6}));
  CHECK_THAT(zero_sum_residuals(heads), near({0, 0}));
  // Off S_1 2 x .16; on it four deviations of .2 from .6: .48 of 1.92 in squares.
  CHECK_THAT(support_residuals(w, supports), near({.5, .5}));
  CHECK_THAT(task_head_allocation(heads), near({.5, .5, .5, .5}));
}

TEST_CASE("residuals measure how far an identity is from holding") {
  Planted heads = superposition(3, 0.9);
  heads.ov_of(0, 0, 6) = 4;  // mu_1 = (4, -3, 0)
  CHECK_THAT(zero_sum_residuals(heads), near({1 / 7.0, 0}));
  heads = dedicated_pairs(3, 0.9);  // omega of .15 in 16 places
  heads.kq_of(0, 0, 0) += 0.2;
  heads.kq_of(0, 1, 1) -= 0.2;  // .35 and -.05: apart .04 twice, of 14 x .0225 + .1225 + .0025
  CHECK(block_constancy_residual(heads, blocks) == Approx(std::sqrt(0.08 / 0.44)));
}

TEST_CASE("a head of several tasks is a dummy by the size of its omegas, not by their mean") {
  Planted heads = superposition();
  heads.set(0, blockwise(0.2, 0, -0.2), {0.001, 0.001});
  CHECK(dummy_heads(heads) == std::vector<bool>{false, false, false});
  heads.set(0, blockwise(0.01, 0, -0.01), {0.001, 0.001});
  CHECK(dummy_heads(heads) == std::vector<bool>{true, false, false});
  heads.set(0, blockwise(0.01, 0, -0.01), {3, 0.001});  // it still answers the first task
  CHECK(dummy_heads(heads) == std::vector<bool>{false, false, false});
}

TEST_CASE("with all heads zero no task is served, and every measure is a number") {
  const Planted zero(2, 6, 2);
  CHECK_THAT(task_head_allocation(zero), near({0, 0, 0, 0}));
  CHECK_THAT(zero_sum_residuals(zero), near({0, 0}));
  CHECK(block_constancy_residual(zero, blocks) == 0);
  CHECK_THAT(support_residuals(effective_weights(zero), supports), near({1, 1}));
  CHECK(overlap_residual(zero, supports) == 0);
  for (const double v : measured(zero).values) CHECK(std::isfinite(v));
}

TEST_CASE("the multi-task probe writes its measures under their names and axes") {
  const Measured m = measured(superposition(), {.slope = 0.5});
  const auto close = [](const Numbers& x) { return Catch::Matchers::Approx(x).margin(1e-6); };
  CHECK_THAT(m.all("kq_diagonal"),
             close({.2, .2, .1, .1, -.1, -.1, -.1, -.1, -.2, -.2, -.1, -.1, -.1, -.1, .1, .1, .2, .2}));
  CHECK_THAT(m.all("ov_task"), close({3, 0, -3, -3, 0, 3}));
  CHECK_THAT(m.all("effective_weights"), close({.45, .45, .45, .45, 0, 0, 0, 0, .45, .45, .45, .45}));
  CHECK_THAT(m.all("effective_learning_rate"), close({.45, .45}));
  CHECK_THAT(m.all("task_head_allocation"), close({.5, 0, .5, .5, 0, .5}));
  CHECK_THAT(m.all("support_residual"), close({0, 0}));
  CHECK_THAT(m.all("kq_diagonal_ratio"), close({1, 1, 1}));
  CHECK_THAT(m.all("ov_last_ratio"), close({1, 1, 1}));
  CHECK(m["overlap_residual"] == Approx(0).margin(1e-6));
  // (.2 .2 .1 .1 -.1 -.1) and the indicator of S_1: .6 / (sqrt(.12) 2)
  CHECK(m.all("preconditioner_cosine").at(0) == Approx(0.6 / (2 * std::sqrt(0.12))));
  for (const Measure& measure : m.measures) {
    if (measure.name == "kq_diagonal") CHECK((measure.dims[0].name == "head" && measure.dims[1].name == "input"));
    if (measure.name == "task_head_allocation")
      CHECK((measure.dims[0].name == "head" && measure.dims[1].name == "task"));
    if (measure.name == "effective_weights") CHECK((measure.dims[0].name == "task" && measure.dims[1].name == "input"));
  }
  LinearRegressionConfig disjoint = two_tasks();
  disjoint.supports = {"0..2", "3..5"};
  PlantedBatch samples(disjoint, 2);
  CHECK_FALSE(Measured(MultiTaskProbe(disjoint, 3), superposition(), samples).has("overlap_residual"));
}

TEST_CASE("KQ's last two columns meet the query's zero labels: no measure of two tasks reads them") {
  const Planted heads = superposition();
  CHECK(measured(heads.with_useless(1e6)).values == measured(heads).values);
  CHECK(measured(heads.with_useless(std::nan(""))).values == measured(heads).values);
}
