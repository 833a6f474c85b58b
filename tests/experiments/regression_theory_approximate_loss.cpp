#include "autodiff/grad.h"
#include "core/check.h"
#include "experiments/icl_regression/theory/approximate_loss.h"
#include "experiments/icl_regression/theory/risks.h"
#include "experiments/icl_regression/theory/solution_manifold.h"
#include "graph/eager.h"
#include "ops/ops.h"
#include "regression_theory_prompts.h"

using namespace saltus;
using namespace saltus::icl_regression;
using namespace saltus::tests;

namespace {

const ApproximateLoss paper{IsotropicTask{}};
/// Nothing at its default, so that a factor left out shows.
const ApproximateLoss unusual{IsotropicTask{3, 9, 0.4, 0.8, false}};

Heads heads_of(std::initializer_list<double> omega, std::initializer_list<double> mu) {
  Heads h{Eigen::VectorXd(static_cast<Eigen::Index>(omega.size())),
          Eigen::VectorXd(static_cast<Eigen::Index>(mu.size()))};
  std::copy(omega.begin(), omega.end(), h.omega.begin());
  std::copy(mu.begin(), mu.end(), h.mu.begin());
  return h;
}

const Heads four = heads_of({0.31, -0.12, 0.05, -0.4}, {1.2, -0.7, 0.3, -1.1});

/// Central differences of the loss in omega and mu.
Heads differences(const ApproximateLoss& loss, const Heads& at) {
  Heads out = at;
  const double h = 1e-6;
  for (auto part : {&Heads::omega, &Heads::mu}) {
    for (Eigen::Index i = 0; i < at.omega.size(); ++i) {
      Heads up = at, down = at;
      (up.*part)[i] += h;
      (down.*part)[i] -= h;
      (out.*part)[i] = (loss.value(up) - loss.value(down)) / (2 * h);
    }
  }
  return out;
}

}  // namespace

TEST_CASE("the two forms of the approximate loss are one function") {
  for (const ApproximateLoss& loss : {paper, unusual}) {
    CHECK(loss.series(four, 30) == Approx(loss.value(four)).epsilon(1e-13));
    CHECK(std::abs(loss.series(four, 2) - loss.value(four)) > 1e-3);  // the terms of stage II are there
  }
  CHECK_THROWS_WITH(paper.value({four.omega, Eigen::VectorXd::Ones(2)}),
                    "approximate loss: 4 values of omega, 2 of mu; a head has one of each");
}

TEST_CASE("one and two heads by the formulas of the spec") {
  const double d = 5, c = 1.1 / 40, w = 0.2, m = 1.7;
  CHECK(paper.value(heads_of({w}, {m})) == Approx(1.1 - 2 * m * w + m * m * (w * w + c * std::exp(d * w * w))));
  CHECK(paper.value(heads_of({w, -w}, {m, -m})) == Approx(paper.two_heads(w, m)));
  CHECK(unusual.value(heads_of({w, -w}, {m, -m})) == Approx(unusual.two_heads(w, m)));
}

TEST_CASE("the gradient of the approximate loss against central differences") {
  for (const ApproximateLoss& loss : {paper, unusual}) {
    const Heads exact = loss.gradient(four), numeric = differences(loss, four);
    CHECK((exact.omega - numeric.omega).norm() < 1e-8);
    CHECK((exact.mu - numeric.mu).norm() < 1e-8);
    CHECK(exact.omega.norm() > 0.1);
  }
}

TEST_CASE("the gradient of the approximate loss against the engine's grad of the same expression") {
  // query noise + b d (1 - 2 mu'omega + mu' (omega omega' + c exp(d omega omega')) mu)
  const IsotropicTask& task = unusual.task();
  Graph g;
  const Var omega = g.input("omega", {4, 1}), mu = g.input("mu", {4, 1});  // [head, 1]
  const Var outer = matmul(omega, omega, false, true);                     // [head, head]
  const Var form = outer + task.label_noise() * exp(static_cast<double>(task.input_dim) * outer);
  const Var quadratic = sum_all(mu * matmul(form, mu));
  const Var loss = task.signal() * (quadratic - 2 * sum_all(mu * omega) + 1) + task.query_noise();
  std::vector<Var> wanted = grad(loss, std::vector<Var>{omega, mu});
  wanted.push_back(loss);
  const auto values = evaluate<double>(
      g, wanted, {{{"omega", {four.omega.begin(), four.omega.end()}}, {"mu", {four.mu.begin(), four.mu.end()}}}, {}});
  const Heads exact = unusual.gradient(four);
  for (std::size_t h = 0; h < 4; ++h) {
    CHECK(values[0][h] == Approx(exact.omega[static_cast<Eigen::Index>(h)]).epsilon(1e-12));
    CHECK(values[1][h] == Approx(exact.mu[static_cast<Eigen::Index>(h)]).epsilon(1e-12));
  }
  CHECK(values[2][0] == Approx(unusual.value(four)).epsilon(1e-13));
}

TEST_CASE("the best mu for given omega: no gradient in mu, and the shortest where heads share an omega") {
  const Heads best{four.omega, unusual.optimal_mu(four.omega)};
  CHECK(unusual.gradient(best).mu.norm() < 1e-9);
  const Heads shared = heads_of({0.3, 0.3, -0.2}, {0, 0, 0});
  const Eigen::VectorXd mu = paper.optimal_mu(shared.omega);
  CHECK(mu[0] == Approx(mu[1]));
  CHECK(paper.gradient({shared.omega, mu}).mu.norm() < 1e-9);
}

TEST_CASE("a pair of opposite heads with its best mu: closed form, rising from the limit at gamma = 0") {
  double last = approximate_loss_limit(IsotropicTask{});
  for (double gamma : {0.02, 0.13, 0.3, 0.5}) {
    const Eigen::VectorXd mu = paper.optimal_mu(Eigen::Vector2d(gamma, -gamma));
    CHECK(mu[0] == Approx(manifold_mu(paper, gamma)));
    CHECK(mu[1] == Approx(-mu[0]));
    CHECK(paper.two_heads(gamma, mu[0]) == Approx(paper.two_heads_best(gamma)));
    CHECK(paper.two_heads_best(gamma) > last);
    last = paper.two_heads_best(gamma);
  }
  CHECK(paper.two_heads_best(1e-4) == Approx(approximate_loss_limit(IsotropicTask{})).epsilon(1e-8));
  CHECK(unusual.two_heads_best(1e-4) == Approx(approximate_loss_limit(unusual.task())).epsilon(1e-8));
  CHECK(manifold_mu(paper, 0.13) == Approx(3.38).margin(0.005));
  CHECK(2 * 1e-4 * manifold_mu(paper, 1e-4) == Approx(approximate_optimal_eta(IsotropicTask{})));
}

TEST_CASE("the single head's optimum: .37207 at the defaults, no gradient, and nothing lower around it") {
  CHECK(paper.single_head_loss() == Approx(0.37207).margin(5e-6));
  CHECK(paper.single_head().omega[0] == Approx(0.447).margin(5e-4));
  for (const ApproximateLoss& loss : {paper, unusual}) {
    const Heads head = loss.single_head();
    CHECK(loss.value(head) == Approx(loss.single_head_loss()));
    CHECK(loss.gradient(head).omega.norm() + loss.gradient(head).mu.norm() < 1e-12);
    for (double step : {-0.05, 0.05}) {
      CHECK(loss.value({head.omega.array() + step, head.mu}) > loss.single_head_loss());
      CHECK(loss.value({head.omega, head.mu.array() + step}) > loss.single_head_loss());
    }
  }
}

TEST_CASE("the solution manifold: how mu is shared out does not matter, and no head wants to move mu") {
  const double gamma = 0.13, mu = manifold_mu(paper, gamma);
  const Heads shared = heads_of({gamma, gamma, -gamma, 0}, {0.8 * mu, 0.2 * mu, -mu, 0});
  CHECK(paper.value(shared) == Approx(paper.two_heads_best(gamma)));
  CHECK(paper.gradient(shared).mu.norm() < 1e-12);
  const ManifoldDistance at = distance_to_manifold(paper, shared);
  CHECK(at.distance < 1e-6);
  CHECK(at.gamma == Approx(gamma).epsilon(1e-5));
}

TEST_CASE("the distance to the solution manifold") {
  const double gamma = 0.13, mu = manifold_mu(paper, gamma);
  SECTION("leaving sideways by a known length") {
    // One of two positive heads off in omega, against the other: no change of gamma makes up for it.
    const Heads off = heads_of({gamma + 0.01, gamma - 0.01, -gamma}, {mu / 2, mu / 2, -mu});
    const ManifoldDistance far = distance_to_manifold(paper, off);
    CHECK(far.distance == Approx(std::sqrt(2) * 0.01).epsilon(1e-4));
    CHECK(far.mu < 1e-5);
  }
  SECTION("mu that does not sum to zero is shared out over the heads") {
    const Heads off =
        heads_of({gamma, gamma, -gamma, -gamma}, {mu / 2 + 0.1, mu / 2 + 0.1, -mu / 2 + 0.1, -mu / 2 + 0.1});
    CHECK(distance_to_manifold(paper, off).distance == Approx(std::sqrt(4) * 0.1).epsilon(1e-4));
  }
  SECTION("it is the distance to the nearest of all points: none sampled on the manifolds is nearer") {
    const Heads off = heads_of({0.2, -0.16}, {2.9, -2.3});
    const ManifoldDistance found = distance_to_manifold(paper, off);
    double nearest = 1e9;
    for (double g = 0.05; g < 0.5; g += 1e-5) {
      const double m = manifold_mu(paper, g);
      nearest = std::min(nearest, std::sqrt(std::pow(0.2 - g, 2) + std::pow(-0.16 + g, 2) + std::pow(2.9 - m, 2) +
                                            std::pow(-2.3 + m, 2)));
    }
    CHECK(found.distance == Approx(nearest).epsilon(1e-6));
    CHECK(found.distance == Approx(std::hypot(found.omega, found.mu)));
  }
  SECTION("heads of one sign have no manifold to go to") {
    const ManifoldDistance none = distance_to_manifold(paper, heads_of({0.4, 0.4}, {1, 0.5}));
    CHECK(std::isinf(none.distance));
    CHECK(std::isnan(none.gamma));
  }
}
