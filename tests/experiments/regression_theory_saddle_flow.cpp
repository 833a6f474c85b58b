#include "core/check.h"
#include "experiments/icl_regression/theory/preconditioner.h"
#include "experiments/icl_regression/theory/saddle_flow.h"
#include "regression_theory_prompts.h"

using namespace saltus;
using namespace saltus::icl_regression;
using namespace saltus::tests;

namespace {

/// Zhang et al.'s setting: eigenvalues as 4 : 3 : 2 : 1 with trace 1, 31 pairs before the query.
SpectralTask paper() { return {Eigen::Vector4d(0.4, 0.3, 0.2, 0.1), 31}; }

SpectralTask unusual() { return {Eigen::Vector3d(1.5, 0.7, 0.4), 6, 0.6, 0.5}; }

Eigen::MatrixXd random_matrix(Eigen::Index rows, Eigen::Index columns, double size, std::mt19937_64& random) {
  std::normal_distribution<double> normal(0, size);
  return Eigen::MatrixXd::NullaryExpr(rows, columns, [&] { return normal(random); });
}

RankOneHeads random_heads(Eigen::Index d, Eigen::Index n, double size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  return {random_matrix(n, 1, size, random), random_matrix(d, n, size, random), random_matrix(d, n, size, random)};
}

MergedHeads random_merged(Eigen::Index d, Eigen::Index n, double size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  MergedHeads heads{random_matrix(n, 1, size, random), {}};
  for (Eigen::Index h = 0; h < n; ++h) heads.u.push_back(random_matrix(d, d, size, random));
  return heads;
}

/// One head in component i at rest.
RankOneHeads resting(const SpectralTask& task, std::vector<int> components) {
  const Eigen::Index d = task.eigenvalues.size(), n = static_cast<Eigen::Index>(components.size());
  RankOneHeads heads{Eigen::VectorXd(n), Eigen::MatrixXd::Zero(d, n), Eigen::MatrixXd::Zero(d, n)};
  for (Eigen::Index h = 0; h < n; ++h) {
    const int i = components[static_cast<std::size_t>(h)];
    heads.v[h] = heads.k(i, h) = heads.q(i, h) = task.resting_values()[i];
  }
  return heads;
}

/// How long, as a share of all recorded times, the loss lies within 1 % of the total of `level`.
double share_near(const std::vector<double>& loss, double level) {
  double near = 0;
  for (double l : loss) near += std::abs(l - level) < 0.01 * loss[0];
  return near / static_cast<double>(loss.size());
}

}  // namespace

TEST_CASE("the population loss of the flows is the exact risk of preconditioned descent") {
  for (const SpectralTask& task : {paper(), unusual()}) {
    const Eigen::Index d = task.eigenvalues.size();
    const GaussianTasks same{task.eigenvalues.asDiagonal(),
                             task.n_context,
                             {{task.beta_variance * Eigen::MatrixXd::Identity(d, d), task.noise_variance}},
                             false};
    std::mt19937_64 random(31);
    const Eigen::MatrixXd omega = random_matrix(d, d, 0.5, random);
    CHECK(task.loss(omega) == Approx(preconditioned_risk(same, omega, Centring::none)));
    // The last plateau is the least loss, reached at Omega* = diag(1 / (lambda a)).
    CHECK(task.plateaus()[d] ==
          Approx(preconditioned_risk(same, optimal_preconditioner(same, Centring::none), Centring::none)));
    CHECK(task.half_gradient(optimal_preconditioner(same, Centring::none)).norm() < 1e-12);
    const double h = 1e-6;
    Eigen::MatrixXd up = omega, down = omega;
    up(0, 2) += h;
    down(0, 2) -= h;
    CHECK(2 * task.half_gradient(omega)(0, 2) == Approx((task.loss(up) - task.loss(down)) / (2 * h)).epsilon(1e-6));
  }
}

TEST_CASE("in the paper's setting a, v* and the plateaus are its formulas: b = 1, no noise") {
  const SpectralTask task = paper();
  double level = 1;
  CHECK(task.plateaus()[0] == Approx(1));
  for (int i = 0; i < 4; ++i) {
    const double lambda = task.eigenvalues[i], a = 1 + (1 + 1 / lambda) / 31;
    CHECK(task.spread()[i] == Approx(a));
    CHECK(task.resting_values()[i] == Approx(std::pow(lambda * a, -1.0 / 3)));
    CHECK(task.scalar_velocity(i, 0.3) == Approx(lambda * lambda * 0.09 - std::pow(lambda, 3) * a * std::pow(0.3, 5)));
    CHECK(task.scalar_velocity(i, task.resting_values()[i]) == Approx(0).margin(1e-15));
    CHECK(task.plateaus()[i + 1] == Approx(level -= lambda / a));
  }
}

TEST_CASE("any set of components with a resting head each is a fixed point of rank-one heads: 2^d losses") {
  const SpectralTask task = unusual();
  const std::vector<std::vector<int>> sets = {{0}, {2}, {1, 2}, {0, 1, 2}};
  for (const std::vector<int>& components : sets) {
    const RankOneHeads start = resting(task, components);
    const auto flow = rank_one_flow(task, start, std::vector<double>{0, 5});
    CHECK((flow.heads[1].v - start.v).norm() < 1e-10);
    double expected = task.plateaus()[0];
    for (int i : components) expected -= task.beta_variance * task.eigenvalues[i] / task.spread()[i];
    CHECK(flow.loss[0] == Approx(expected));
  }
}

TEST_CASE("rank-one heads go from saddle to saddle: one component a drop, largest first, plateaus as predicted") {
  const SpectralTask task = paper();
  const auto flow = rank_one_flow(task, random_heads(4, 6, 3e-3, 32), log_times(1, 3e5, 4000));
  const Eigen::VectorXd levels = task.plateaus();
  for (std::size_t i = 1; i < flow.loss.size(); ++i) REQUIRE(flow.loss[i] <= flow.loss[i - 1] + 1e-9);
  const std::vector<double> drops = drop_times(flow.times, flow.loss, levels);
  for (int m = 0; m <= 4; ++m) {
    INFO("plateau " << m << " at " << levels[m] << ", share of log time " << share_near(flow.loss, levels[m]));
    CHECK(share_near(flow.loss, levels[m]) > 0.02);
  }
  for (std::size_t m = 1; m < 4; ++m) CHECK(drops[m] > 1.3 * drops[m - 1]);
  CHECK(flow.loss.back() == Approx(levels[4]).margin(1e-4));
  // Between drops m and m + 1 the heads' Omega holds the m largest components and no others.
  const double middle = std::sqrt(drops[1] * drops[2]);
  std::size_t i = 0;
  while (flow.times[i] < middle) ++i;
  const Eigen::MatrixXd omega = flow.heads[i].omega();
  const Eigen::VectorXd best = (task.eigenvalues.array() * task.spread().array()).inverse();
  CHECK(omega(0, 0) == Approx(best[0]).epsilon(0.02));
  CHECK(omega(1, 1) == Approx(best[1]).epsilon(0.05));
  CHECK(std::abs(omega(2, 2)) < 0.05);
  CHECK(std::abs(omega(3, 3)) < 0.05);
}

TEST_CASE("the head that escapes first follows the scalar equation") {
  const SpectralTask task = paper();
  const auto flow = rank_one_flow(task, random_heads(4, 1, 1e-4, 33), log_times(1e3, 2e5, 3000));
  std::size_t start = 0;
  while (std::abs(flow.heads[start].v[0]) < 0.02) ++start;
  // The escape picks one component and makes v, |k| and |q| equal: no assumption of either went in.
  const RankOneHeads& escaping = flow.heads[start];
  CHECK(escaping.k.col(0).cwiseAbs().maxCoeff() / escaping.k.col(0).norm() > 0.999);
  CHECK(escaping.k.col(0).norm() == Approx(std::abs(escaping.v[0])).epsilon(1e-3));
  const Derivative scalar = [&task](double, const Eigen::VectorXd& v, Eigen::VectorXd& dv) {
    dv[0] = task.scalar_velocity(0, v[0]);
  };
  const std::vector<double> times(flow.times.begin() + static_cast<std::ptrdiff_t>(start), flow.times.end());
  const Trajectory reduced = integrate(scalar, Eigen::VectorXd::Constant(1, std::abs(escaping.v[0])), times);
  double worst = 0;
  for (std::size_t i = 0; i < times.size(); ++i)
    worst = std::max(worst, std::abs(std::abs(flow.heads[start + i].v[0]) - reduced.states[i][0]));
  CHECK(reduced.states.back()[0] == Approx(task.resting_values()[0]).epsilon(1e-6));
  CHECK(worst < 0.02);
}

TEST_CASE("v^2 - |k|^2 and v^2 - |q|^2 of every rank-one head stay what they are") {
  const RankOneHeads start = random_heads(3, 4, 0.5, 34);
  const auto flow = rank_one_flow(unusual(), start, std::vector<double>{0, 1, 30});
  CHECK((flow.heads[2].v - start.v).norm() > 0.1);
  for (const RankOneHeads& heads : flow.heads) {
    const Eigen::VectorXd keys = heads.v.cwiseAbs2() - heads.k.colwise().squaredNorm().transpose();
    const Eigen::VectorXd queries = heads.v.cwiseAbs2() - heads.q.colwise().squaredNorm().transpose();
    CHECK((keys - (start.v.cwiseAbs2() - start.k.colwise().squaredNorm().transpose())).norm() < 1e-7);
    CHECK((queries - (start.v.cwiseAbs2() - start.q.colwise().squaredNorm().transpose())).norm() < 1e-7);
  }
}

TEST_CASE("merged heads drop once, from 0 to the optimum, and keep v^2 - |U|^2") {
  const SpectralTask task = paper();
  const MergedHeads start = random_merged(4, 3, 1e-4, 35);
  const auto flow = merged_flow(task, start, linear_times(0, 400, 4001));
  const Eigen::VectorXd levels = task.plateaus();
  CHECK(flow.loss.front() == Approx(levels[0]).margin(1e-6));
  CHECK(flow.loss.back() == Approx(levels[4]).margin(1e-3));
  // It rests nowhere between: the three saddles of rank-one heads see it pass at speed.
  CHECK(share_near(flow.loss, levels[0]) > 0.05);
  int drops = 0;  // separate peaks of the speed, each above a tenth of the largest
  double top = 0;
  std::vector<double> speed;
  for (std::size_t i = 1; i < flow.loss.size(); ++i)
    speed.push_back(flow.loss[i - 1] - flow.loss[i]), top = std::max(top, speed.back());
  for (std::size_t i = 1; i + 1 < speed.size(); ++i)
    drops += speed[i] > 0.1 * top && speed[i] > speed[i - 1] && speed[i] >= speed[i + 1];
  CHECK(drops == 1);
  for (std::size_t h = 0; h < 3; ++h) {
    const auto i = static_cast<Eigen::Index>(h);
    const auto kept = [&](const MergedHeads& heads) { return heads.v[i] * heads.v[i] - heads.u[h].squaredNorm(); };
    CHECK(kept(flow.heads.back()) == Approx(kept(start)).margin(1e-6));
  }
}

TEST_CASE("drop times: the first time below each middle between levels") {
  const std::vector<double> times = {0, 1, 2, 3}, loss = {1, 0.8, 0.55, 0.4};
  const std::vector<double> drops = drop_times(times, loss, Eigen::Vector3d(1, 0.6, 0.1));
  CHECK(drops[0] == 2);  // not yet below .8 at time 1
  CHECK(std::isnan(drops[1]));
  CHECK_THROWS_WITH(drop_times(times, {loss.data(), 3}, Eigen::Vector2d(1, 0)), "drop_times: 4 times, 3 losses");
}

TEST_CASE("heads that do not fit the task are refused") {
  CHECK_THROWS_WITH(rank_one_flow(paper(), random_heads(3, 2, 1, 1), log_times(1, 2, 2)),
                    "rank_one_flow: 2 values, keys [3, 2] and queries [3, 2] do not make heads on 4 inputs");
  CHECK_THROWS_WITH(merged_flow(paper(), random_merged(3, 1, 1, 1), log_times(1, 2, 2)),
                    "merged_flow: a key-query matrix [3, 3] on 4 inputs");
}
