#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <random>

#include "nn/optimizer.h"

using namespace saltus;

namespace {

constexpr std::size_t block = 2 * 4096 + 37;  // whole vectors and a tail; three blocks of the norm, the last one short
constexpr int steps = 20;

/// The whole range at once.
void whole(std::size_t n, const Optimizer::Range& f) { f(0, n); }

std::vector<float> normals(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

/// What training looks like from an optimizer's side: parameters, and gradients that arrive in two parts whose mean
/// counts.
struct Run {
  std::vector<float> theta = normals(block, 1);
  std::vector<Optimizer::StepResult> results;
  std::vector<std::vector<float>> state;

  explicit Run(const OptimizerConfig& config, const Optimizer::ForRanges& for_ranges = whole) {
    Optimizer optimizer(config, block);
    for (int t = 0; t < steps; ++t) {
      const std::vector<float> a = part(t, 0), b = part(t, 1);
      const std::vector<const float*> parts = {a.data(), b.data()};
      results.push_back(optimizer.step(t, steps, theta.data(), parts, 0.5, for_ranges));
    }
    for (const AlignedBlock& s : optimizer.state()) state.emplace_back(s.floats(), s.floats() + block);
  }
  static std::vector<float> part(int t, int which) {
    return normals(block, static_cast<unsigned>(100 + 2 * t + which));
  }
};

/// One rule, element by element in double, as its paper states it: theta of step t from the mean gradient g; t counts
/// from 1. State m and v start at zero.
using Rule = std::function<void(double& theta, double& m, double& v, double g, int t)>;

struct Plain {
  std::vector<double> theta, m, v, norms;
};

/// The same training run by `rule`; with `clip`, g is first scaled so that the norm of the whole gradient is at most
/// clip.
Plain plain_run(const Rule& rule, double clip = INFINITY) {
  const std::vector<float> start = normals(block, 1);
  Plain p{{start.begin(), start.end()}, std::vector<double>(block), std::vector<double>(block), {}};
  for (int t = 1; t <= steps; ++t) {
    const std::vector<float> a = Run::part(t - 1, 0), b = Run::part(t - 1, 1);
    double square = 0;
    std::vector<double> g(block);
    for (std::size_t i = 0; i < block; ++i) {
      g[i] = (static_cast<double>(a[i]) + static_cast<double>(b[i])) / 2;
      square += g[i] * g[i];
    }
    p.norms.push_back(std::sqrt(square));
    const double shrink = p.norms.back() > clip ? clip / p.norms.back() : 1;
    for (std::size_t i = 0; i < block; ++i) rule(p.theta[i], p.m[i], p.v[i], shrink * g[i], t);
  }
  return p;
}

/// Floats against doubles after 20 steps: each step rounds to a few parts in 2^24, of numbers of size 1.
void check_same(const Run& run, const Plain& expected, double tolerance = 3e-6) {
  for (std::size_t i = 0; i < block; ++i) {
    INFO("element " << i);
    REQUIRE(std::abs(run.theta[i] - expected.theta[i]) < tolerance);
  }
  for (std::size_t t = 0; t < steps; ++t) CHECK(run.results[t].grad_norm == Approx(expected.norms[t]).epsilon(1e-6));
}

OptimizerConfig config_of(const char* kind) {
  OptimizerConfig c;
  c.kind = kind;
  c.learning_rate = 0.05;
  return c;
}

/// Adam of Kingma & Ba 2015, algorithm 1, with the defaults' betas and epsilon: what moves theta.
double adam_move(double& m, double& v, double g, int t, double eta) {
  m = 0.9 * m + (1 - 0.9) * g;
  v = 0.999 * v + (1 - 0.999) * g * g;
  const double m_hat = m / (1 - std::pow(0.9, t)), v_hat = v / (1 - std::pow(0.999, t));
  return eta * m_hat / (std::sqrt(v_hat) + 1e-8);
}

}  // namespace

TEST_CASE("sgd: the paper's decay shrinks every parameter by its own factor, whatever the learning rate") {
  OptimizerConfig c = config_of("sgd");
  c.decay = 0.01;
  const Rule rule = [](double& theta, double&, double&, double g, int) { theta = (1 - 0.01) * theta - 0.05 * g; };
  check_same(Run(c), plain_run(rule));

  // Without a gradient 20 steps leave 0.99^20 of a parameter; were decay multiplied by the rate, 0.9995^20.
  Optimizer optimizer(c, 1);
  float theta = 1;
  const float zero = 0;
  const std::vector<const float*> parts = {&zero};
  for (int t = 0; t < steps; ++t) optimizer.step(t, steps, &theta, parts, 1, whole);
  CHECK(theta == Approx(std::pow(0.99, 20)).epsilon(1e-6));
}

TEST_CASE("momentum: a velocity gathers gradients and moves the parameters") {
  OptimizerConfig c = config_of("momentum");
  c.momentum = 0.8;
  c.decay = 0.001;
  const Rule rule = [](double& theta, double& m, double&, double g, int) {
    m = 0.8 * m + g;
    theta = (1 - 0.001) * theta - 0.05 * m;
  };
  const Run run(c);
  const Plain expected = plain_run(rule);
  check_same(run, expected);
  REQUIRE(run.state.size() == 1);
  for (std::size_t i = 0; i < block; ++i) REQUIRE(std::abs(run.state[0][i] - expected.m[i]) < 3e-6);
}

TEST_CASE("adam: bias-corrected moments") {
  const Rule rule = [](double& theta, double& m, double& v, double g, int t) { theta -= adam_move(m, v, g, t, 0.05); };
  const Run run(config_of("adam"));
  const Plain expected = plain_run(rule);
  check_same(run, expected);
  REQUIRE(run.state.size() == 2);
  for (std::size_t i = 0; i < block; ++i) {
    REQUIRE(std::abs(run.state[0][i] - expected.m[i]) < 3e-6);
    REQUIRE(std::abs(run.state[1][i] - expected.v[i]) < 3e-6);
  }
}

TEST_CASE("adamw: weight decay is multiplied by the rate and stays out of the moments") {
  OptimizerConfig c = config_of("adamw");
  c.weight_decay = 0.1;
  const Rule rule = [](double& theta, double& m, double& v, double g, int t) {
    const double move = adam_move(m, v, g, t, 0.05);
    theta = theta - 0.05 * 0.1 * theta - move;
  };
  check_same(Run(c), plain_run(rule));
}

TEST_CASE("weight_decay joins the gradient for all but adamw, as an l2 penalty does") {
  OptimizerConfig sgd = config_of("sgd"), adam = config_of("adam");
  sgd.weight_decay = adam.weight_decay = 0.1;
  check_same(Run(sgd),
             plain_run([](double& theta, double&, double&, double g, int) { theta -= 0.05 * (g + 0.1 * theta); }));
  const Rule l2 = [](double& theta, double& m, double& v, double g, int t) {
    theta -= adam_move(m, v, g + 0.1 * theta, t, 0.05);
  };
  check_same(Run(adam), plain_run(l2));
}

TEST_CASE("clip_norm scales the whole gradient down, before weight decay joins it, and grad_norm is what came in") {
  OptimizerConfig c = config_of("sgd");
  c.clip_norm = 10;  // gradients here have norm sqrt(8229 / 2), about 64
  c.weight_decay = 0.1;
  check_same(Run(c),
             plain_run([](double& theta, double&, double&, double g, int) { theta -= 0.05 * (g + 0.1 * theta); }, 10));

  OptimizerConfig loose = config_of("sgd");
  loose.clip_norm = 1000;
  CHECK(Run(loose).theta == Run(config_of("sgd")).theta);
}

TEST_CASE("the schedule scales the learning rate of every rule, and the step reports it") {
  OptimizerConfig c = config_of("momentum");
  c.schedule = {.kind = "step", .warmup_steps = 2, .milestones = {10}, .factor = 0.5};
  const Rule rule = [](double& theta, double& m, double&, double g, int t) {
    m = 0.9 * m + g;
    theta -= 0.05 * (t == 1 ? 0.5 : t <= 10 ? 1 : 0.5) * m;  // t = 1 is step 0 of the warm-up; t = 11 is step 10
  };
  const Run run(c);
  check_same(run, plain_run(rule));
  CHECK(run.results[0].learning_rate == 0.025);
  CHECK(run.results[9].learning_rate == 0.05);
  CHECK(run.results[10].learning_rate == 0.025);
}

TEST_CASE("any cut of the block into ranges, in any order, gives the same bits") {
  const auto one_by_one = [](std::size_t n, const Optimizer::Range& f) {
    for (std::size_t i = n; i-- > 0;) f(i, i + 1);
  };
  const auto uneven = [](std::size_t n, const Optimizer::Range& f) {
    f(1, n);
    f(0, 1);
    f(n, n);  // more threads than there is work
  };
  for (const char* kind : {"sgd", "momentum", "adam", "adamw"}) {
    INFO(kind);
    OptimizerConfig c = config_of(kind);
    c.decay = 1e-3;
    c.weight_decay = 0.1;
    c.clip_norm = 10;
    const Run run(c);
    for (const Optimizer::ForRanges& cut : {Optimizer::ForRanges(one_by_one), Optimizer::ForRanges(uneven)}) {
      const Run other(c, cut);
      CHECK(other.theta == run.theta);
      CHECK(other.state == run.state);
      CHECK(other.results.back().grad_norm == run.results.back().grad_norm);
    }
  }
}

TEST_CASE("gradient parts are summed in their order") {
  // In floats (1e8 - 1e8) + 1 is 1, while (1 + 1e8) - 1e8 is 0.
  const float big = 1e8f, minus_big = -1e8f, one = 1;
  const auto moved = [&](const std::vector<const float*>& parts) {
    OptimizerConfig c = config_of("sgd");
    c.learning_rate = 1;
    float theta = 0;
    Optimizer(c, 1).step(0, 1, &theta, parts, 0.25, whole);
    return theta;
  };
  CHECK(moved({&big, &minus_big, &one}) == -0.25f);
  CHECK(moved({&one, &big, &minus_big}) == 0);
}

TEST_CASE("a rule holds the state that a checkpoint has to store, and no more") {
  CHECK(Optimizer(config_of("sgd"), block).state().empty());
  CHECK(Optimizer(config_of("momentum"), block).state().size() == 1);
  CHECK(Optimizer(config_of("adam"), block).state().size() == 2);
  CHECK(Optimizer(config_of("adamw"), block).state().size() == 2);
}

TEST_CASE("a restored state goes on bit for bit") {
  const OptimizerConfig c = config_of("adam");
  const Run whole_run(c);
  Optimizer first(c, block), second(c, block);
  std::vector<float> theta = normals(block, 1);
  for (int t = 0; t < steps; ++t) {
    if (t == 7) {
      for (std::size_t i = 0; i < 2; ++i) std::copy_n(first.state()[i].floats(), block, second.state()[i].floats());
    }
    const std::vector<float> a = Run::part(t, 0), b = Run::part(t, 1);
    const std::vector<const float*> parts = {a.data(), b.data()};
    (t < 7 ? first : second).step(t, steps, theta.data(), parts, 0.5, whole);
  }
  CHECK(theta == whole_run.theta);
}
