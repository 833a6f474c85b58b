#include <cmath>
#include <map>

#include "experiments/titans/measures.h"
#include "experiments/titans/probes.h"
#include "experiments/titans/surprise.h"
#include "experiments/titans/surprise_probes.h"
#include "experiments/titans_memory.h"
#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// grad_W |M(k) - v|^2 for every row, by the engine, as one matrix [row, weight] of all layers.
Var inner_gradient(Var k, Var v, const std::vector<Var>& W, bool residual) {
  std::vector<Var> copies;
  for (Var w : W) copies.push_back(1.0 * w);
  Var x = k;
  for (std::size_t l = 0; l < copies.size(); ++l) x = matmul(l == 0 ? x : silu(x), copies[l]);
  const Var error = (residual ? x + k : x) - v;
  std::vector<Var> flat;
  for (Var g : grad(sum_all(error * error), copies))
    flat.push_back(reshape(g, {g.shape()[0], g.shape()[1] * g.shape()[2]}));
  return flat.size() == 1 ? flat[0] : concat(flat, 1);
}

Var flattened(const std::vector<Var>& layers) {
  std::vector<Var> flat;
  for (Var x : layers) flat.push_back(reshape(x, {x.shape()[0], x.shape()[1] * x.shape()[2]}));
  return flat.size() == 1 ? flat[0] : concat(flat, 1);
}

}  // namespace

TEST_CASE("titans: surprise is the norm of the inner gradient at the chunk's first weights") {
  for (const auto& [depth, residual] : {std::pair{1, false}, {2, false}, {3, true}}) {
    MemoryCase c({.depth = static_cast<std::size_t>(depth)});
    const titans::MemoryOptions options{.chunk = 4, .residual = residual};
    const titans::Surprise s = titans::surprises(c.in, c.state, c.initial, options);
    REQUIRE(s.norm.shape() == Shape{2, 11});
    REQUIRE(s.alignment.shape() == Shape{2, 3});
    const std::vector<double> norms = value(c.graph, s.norm, c.leaves), cosines = value(c.graph, s.alignment, c.leaves);
    titans::MemoryState state = c.state;
    for (std::int64_t t = 0; t < 11; ++t) {
      const auto until = [&](Var x, std::int64_t end) { return slice(x, 1, 0, end); };
      if (t % 4 == 0 && t > 0) {  // the state that this chunk begins with, from the beginning
        titans::MemoryInputs past = c.in;
        for (Var* x : {&past.q, &past.k, &past.v, &past.theta, &past.eta, &past.alpha}) *x = until(*x, t);
        state = titans::memory_sequential(past, c.state, c.initial, options).state;
      }
      const Var u = inner_gradient(slice(c.in.k, 1, t, t + 1), slice(c.in.v, 1, t, t + 1), state.M, residual);
      const Var S = flattened(state.S);  // [row, weight]
      const std::vector<std::vector<double>> x = c.evaluated({{sum(u * u, 1), sum(S * S, 1), sum(u * S, 1)}});
      for (std::size_t row = 0; row < 2; ++row) {
        const auto at = row * 11 + static_cast<std::size_t>(t);
        CHECK(norms[at] == Approx(std::sqrt(x[0][row])).epsilon(1e-10));
        if (t % 4 == 0)
          CHECK(cosines[row * 3 + static_cast<std::size_t>(t) / 4] ==
                Approx(-x[2][row] / std::sqrt(x[0][row] * x[1][row])).epsilon(1e-10));
      }
    }
  }
}

TEST_CASE("titans: without momentum the alignment is 0, and so is its norm") {
  MemoryCase c({.depth = 1});
  const titans::MemoryState still{c.state.M, {0.0 * c.state.S[0]}};
  const titans::Surprise s = titans::surprises(c.in, still, c.initial, {.chunk = 16});
  for (double x : value(c.graph, s.alignment, c.leaves)) CHECK(x == 0);
  for (double x : value(c.graph, titans::state_norm(still.S), c.leaves)) CHECK(x == 0);
}

TEST_CASE("titans: every memory taps its surprise, in mac segment by segment") {
  for (const titans::ModelConfig& model : all_titans()) {
    if (!model.has_memory()) continue;
    INFO(name_of(model));
    RecordedTitan r(model, 11, 20, 2, Purpose::measure);
    CHECK(r.graph.tapped("blocks.1.mixer.surprise").shape() == Shape{2, 2, 20});
    // Chunks of 4; of mac's segments of 8, 8 and 4 tokens, two, two and one.
    CHECK(r.graph.tapped("blocks.1.mixer.momentum_alignment").shape() == Shape{2, 2, 5});
    CHECK(r.graph.tapped("blocks.1.mixer.momentum_norm").shape() == Shape{2, 2});
  }
}

namespace {

/// One sequence of six tokens, key, value, two of filler and two questions, and the taps of one head.
struct Planted {
  titans::ModelConfig model;
  SequenceShape shape = {.vocab_size = 5, .length = 6};
  std::vector<std::int32_t> tokens = std::vector<std::int32_t>(6), target = tokens, role = {1, 2, 0, 0, 3, 3},
                            distance = {0, 0, 0, 0, 3, 4}, writes = tokens;
  std::vector<float> weight = {0, 0, 0, 0, 1, 1};
  std::map<std::string, std::pair<Shape, std::vector<float>>> taps = {
      {"surprise", {{1, 1, 6}, {4, 8, 1, 3, 6, 2}}},
      {"theta", {{1, 1, 6}, {0.5F, 0.25F, 0.1F, 0.1F, 0, 0.2F}}},
      {"eta", {{1, 1, 6}, {0.9F, 0.9F, 0, 0.5F, 0, 0}}},
      {"alpha", {{1, 1, 6}, {0.9F, 0.9F, 0.5F, 0, 0.2F, 0}}},
      {"momentum_alignment", {{1, 1, 3}, {0, 0.5F, -0.25F}}},
      {"momentum_norm", {{1, 1}, {7}}}};

  Planted() {
    model.n_layers = 1;
    model.mixer.n_heads = 1;
    model.mixer.d_head = 2;
  }
  template <class AProbe>
  std::vector<double> measured(const std::string& name) {
    const AProbe probe(shape, model);
    std::vector<double> sums;
    for (const Measure& m : probe.measures()) sums.resize(sums.size() + static_cast<std::size_t>(m.size()));
    const Batch batch(1, {tokens.data(), target.data(), weight.data(), role.data(), distance.data(), writes.data()});
    const auto tap = [this](const std::string& full) -> TapValue {
      const auto& [s, values] = taps.at(full.substr(full.rfind('.') + 1));
      return {values.data(), s};
    };
    probe.accumulate(batch, tap, sums);
    auto from = sums.begin();
    for (const Measure& m : probe.measures()) {
      if (m.name == name) return {from, from + m.size()};
      from += m.size();
    }
    FAIL("no measure " << name);
    return {};
  }
};

}  // namespace

TEST_CASE("titans: surprise by role, and what needles have of it beside filler") {
  Planted p;
  using titans::SurpriseProbe;
  CHECK(p.measured<SurpriseProbe>("surprise") == std::vector<double>{2, 4, 8, 4});  // filler, key, value, query
  const std::vector<double> steps = p.measured<SurpriseProbe>("step_norm"), expected = {0.2, 2, 2, 0.2};
  for (std::size_t i = 0; i < 4; ++i) CHECK(steps[i] == Approx(expected[i]));
  CHECK(p.measured<SurpriseProbe>("surprise_ratio")[0] == Approx(3));
  CHECK(p.measured<SurpriseProbe>("momentum_norm")[0] == 7);
  CHECK(p.measured<SurpriseProbe>("momentum_alignment")[0] == Approx(0.125));
  p.role = {1, 2, 2, 1, 3, 3};
  CHECK(std::isnan(p.measured<SurpriseProbe>("surprise_ratio")[0]));
  p.taps["momentum_alignment"] = {{1, 1, 1}, {0}};
  CHECK(std::isnan(p.measured<SurpriseProbe>("momentum_alignment")[0]));
}

TEST_CASE("titans: predicted survival lies in the bins of the questions that it is about") {
  Planted p;
  // From token 1: (1 - .5) (1 - .2) exp(-(.1 + .1 / .5)) to the question at 4, and exp(-.2) times that to the one at 5.
  // Both distances, 3 and 4, lie in the bin up to 4.
  const double at_3 = 0.4 * std::exp(-0.3), at_4 = at_3 * std::exp(-0.2);
  const std::vector<double> survival = p.measured<titans::SurvivalProbe>("survival_by_distance");
  const std::vector<double> expected = {0, 0, 0, at_3 + at_4, 0};
  REQUIRE(survival.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(survival[i] == Approx(expected[i]));
  const Measure questions = titans::RetrievalProbe(p.shape).measures()[0],
                predicted = titans::SurvivalProbe(p.shape, p.model).measures()[0];
  CHECK(predicted.dims.back().name == questions.dims.back().name);
  CHECK(predicted.dims.back().values == questions.dims.back().values);
  p.writes = {0, 0, 0, 0, 1, 2};
  const std::vector<double> by_writes = p.measured<titans::SurvivalProbe>("survival_by_writes"),
                            expected_by_writes = {0, at_3, at_4, 0, 0};
  REQUIRE(by_writes.size() == expected_by_writes.size());
  for (std::size_t i = 0; i < by_writes.size(); ++i) CHECK(by_writes[i] == Approx(expected_by_writes[i]));
  CHECK(titans::SurvivalProbe(p.shape, p.model).measures()[1].dims.back().values ==
        titans::RetrievalProbe(p.shape).measures()[2].dims.back().values);
  p.writes = {0, 0, 0, 0, 1, 1};
  CHECK(p.measured<titans::SurvivalProbe>("survival_by_writes")[1] == Approx(at_3 + at_4));
  p.distance = {0, 0, 0, 0, 0, 1};  // nothing has come in between; one token
  const std::vector<double> near = p.measured<titans::SurvivalProbe>("survival_by_distance");
  CHECK(near[0] == 1);
  CHECK(near[1] == Approx(std::exp(-0.2)));
}

TEST_CASE("titans: a needle's half-life is the filler after which its predicted survival has halved") {
  Planted p;
  // Tokens 2 and 3: 2 theta / ((1 - eta) d) is .1 and .2, and token 2 forgets a half.
  const double rate = (0.1 - std::log(0.5) + 0.2) / 2;
  CHECK(p.measured<titans::SurvivalProbe>("needle_half_life")[0] == Approx(std::log(2) / rate));
  p.taps["eta"].second[3] = p.taps["alpha"].second[2] = 0;
  const double tokens = p.measured<titans::SurvivalProbe>("needle_half_life")[0];  // now all filler is alike
  const std::vector<float> theta(200, 0.1F), none(200);
  const auto left = [&](std::int64_t n) {
    return titans::measures::survival({200, 2, nullptr, nullptr, theta.data(), none.data(), none.data()}, 0, n);
  };
  CHECK(left(static_cast<std::int64_t>(tokens)) > 0.5);
  CHECK(left(static_cast<std::int64_t>(tokens) + 1) < 0.5);
  p.role = {1, 2, 2, 1, 3, 3};
  CHECK(std::isnan(p.measured<titans::SurvivalProbe>("needle_half_life")[0]));
}

namespace {

/// A linear memory, 64 times: the first d tokens write e_i under e_i, exactly, as theta = 1/2 does for a unit key; n
/// more write 0 under random unit keys (what else they would write comes on top, the memory being linear), and the last
/// d ask for the e_i and write nothing.
struct Associations {
  static constexpr std::int64_t rows = 64, d = 8, n = 40, length = d + n + d;
  std::vector<float> theta, eta, alpha;  // [token]
  Graph graph;
  titans::MemoryInputs in;

  explicit Associations(double momentum) {
    std::mt19937 random(3);
    std::uniform_real_distribution<double> unit(0, 1);
    const auto is_filler = [](std::int64_t t) { return t >= d && t < d + n; };
    for (std::int64_t t = 0; t < length; ++t) {
      theta.push_back(is_filler(t) ? static_cast<float>(0.1 * unit(random)) : t < d ? 0.5F : 0);
      alpha.push_back(is_filler(t) ? static_cast<float>(0.005 * unit(random)) : 0);
      eta.push_back(is_filler(t) && t > d ? static_cast<float>(momentum) : 0);
    }
    std::vector<double> k, v, gates[3];
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t t = 0; t < length; ++t) {
        std::vector<double> key = normals(d, random);
        if (!is_filler(t)) {
          key.assign(d, 0);
          key[static_cast<std::size_t>(t % d)] = 1;  // n is a multiple of d
        }
        double norm = 0;
        for (double x : key) norm += x * x;
        for (double x : key) {
          k.push_back(x / std::sqrt(norm));
          v.push_back(t < d ? x : 0);
        }
        const auto at = static_cast<std::size_t>(t);
        gates[0].push_back(theta[at]);
        gates[1].push_back(eta[at]);
        gates[2].push_back(alpha[at]);
      }
    }
    const Var keys = graph.constant(k, {rows, length, d});
    in = {.q = keys, .k = keys, .v = graph.constant(v, {rows, length, d}), .theta = {}, .eta = {}, .alpha = {}};
    in.theta = graph.constant(gates[0], {rows, length});
    in.eta = graph.constant(gates[1], {rows, length});
    in.alpha = graph.constant(gates[2], {rows, length});
  }

  /// What is read of e_i for e_i in the end, on the average.
  double left(std::int64_t chunk) {
    const Var none = broadcast_to(graph.constant(0), {rows, d, d});
    const Var out = titans::memory_chunked(in, {{none}, {none}}, {none}, {.chunk = chunk}).out;
    const Var asked = slice(in.q, 1, d + n, length), answers = slice(out, 1, d + n, length);  // [row, i, d]
    return value(graph, mean_all(sum(asked * answers, 2)), {})[0];
  }

  double predicted() const {
    return titans::measures::survival({length, d, nullptr, nullptr, theta.data(), eta.data(), alpha.data()}, d - 1,
                                      d + n);
  }
};

}  // namespace

TEST_CASE("titans: associations shrink by the writes and the decay since then as the rule predicts") {
  Associations a(0);
  CHECK(a.predicted() > 0.4);
  CHECK(a.predicted() < 0.7);
  CHECK(a.left(1) == Approx(a.predicted()).epsilon(0.02));
  CHECK(a.left(8) == Approx(a.predicted()).epsilon(0.04));  // 1 - sum for 1 - 2 theta / d, multiplied
}

TEST_CASE("titans: momentum makes writes longer, so that less is left") {
  const double without = Associations(0).predicted();
  Associations a(0.5);
  CHECK(a.predicted() < 0.8 * without);
  CHECK(a.left(1) == Approx(a.predicted()).epsilon(0.04));
}
