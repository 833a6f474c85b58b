#include <algorithm>
#include <cmath>

#include "config/reader.h"
#include "core/check.h"
#include "experiments/titans/mixers.h"
#include "graph/plan.h"
#include "nn/streams.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

const std::vector<std::string> kinds = {"attention",      "sliding_window", "linear_attention", "deltanet",
                                        "gated_deltanet", "ttt_linear",     "ttt_mlp",          "gru",
                                        "memory"};

/// Small, with every part that a kind can have.
MixerConfig small(const std::string& kind) {
  MixerConfig c;
  c.kind = kind;
  c.d_head = 4;
  c.conv_width = 3;
  c.window = 3;
  c.n_persistent = 2;
  c.chunk = 3;
  return c;
}

MixerConfig deep_memory() {
  MixerConfig c = small("memory");
  c.memory_depth = 2;
  c.memory_residual = true;
  c.theta_max = 0.1;
  return c;
}

constexpr std::int64_t B = 2, d_model = 6;

/// A mixer over x [2, L, 6], every leaf filled with normals: large ones, since q and k are divided by their lengths,
/// which curves what differences are taken of where they are short.
struct Mixed {
  Graph graph;
  ParamStore params;
  Carry carry;
  Var x, y;
  Leaves<double> leaves;

  Mixed(const MixerConfig& config, std::int64_t L) : x(graph.input("x", {B, L, d_model})) {
    y = mix({graph, params, carry, "m"}, x, config);
    params.initialise(Rng(5, Stream::init));
    std::mt19937 random(7);
    leaves.values["x"] = normals(x.shape().size(), random);
    for (const ParamSpec& s : params.specs()) {
      leaves.values[s.name] = normals(s.shape.size(), random);
      std::copy(leaves.values[s.name].begin(), leaves.values[s.name].end(), params.view(s.name).begin());
    }
  }
  std::vector<Var> parameters() {
    std::vector<Var> out;
    for (const ParamSpec& s : params.specs()) out.push_back(graph.param(s.name, s.shape));
    return out;
  }
};

template <class F>
void for_every_kind(F f) {
  for (const std::string& kind : kinds) {
    INFO(kind);
    f(small(kind));
  }
  INFO("memory of two layers");
  f(deep_memory());
}

std::int64_t parameters_of(const std::string& kind, void (*change)(MixerConfig&) = nullptr) {
  Graph graph;
  ParamStore params;
  Carry carry;
  MixerConfig config;
  config.kind = kind;
  if (change) change(config);
  mix({graph, params, carry, "m"}, graph.input("x", {1, 32, 64}), config);
  return params.count();
}

std::string refusal(const std::string& yaml) {
  MixerConfig config;
  try {
    read_config_text("config.yaml", yaml, {}, [&config](Fields& f) { config.fields(f); });
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("every mixer is causal: a token changes no bit of what comes before it or of another sequence") {
  constexpr std::int64_t L = 11;
  for_every_kind([](const MixerConfig& config) {
    Mixed m(config, L);
    const std::vector<Plan::Output> outputs = {{m.y}};
    const Plan plan(m.graph, outputs,
                    [&](const std::string& name, const Shape&) { return m.params.view(name).data(); });
    auto* x = static_cast<float*>(plan.input("x"));
    const auto run = [&] {
      plan.run();
      return std::vector<float>(plan.output(0), plan.output(0) + B * L * d_model);
    };
    std::copy(m.leaves.values["x"].begin(), m.leaves.values["x"].end(), x);
    const std::vector<float> before = run();
    for (std::int64_t t = 0; t < L; ++t) {
      const float old = x[t * d_model + 1];
      x[t * d_model + 1] = old + 1;
      const std::vector<float> after = run();
      x[t * d_model + 1] = old;
      INFO("token " << t);
      CHECK(std::equal(before.begin(), before.begin() + t * d_model, after.begin()));
      CHECK(!std::equal(before.begin() + t * d_model, before.begin() + (t + 1) * d_model, after.begin() + t * d_model));
      CHECK(std::equal(before.begin() + L * d_model, before.end(), after.begin() + L * d_model));
    }
  });
}

TEST_CASE("a mixer over a stream in stretches is the mixer over the whole") {
  const Shape shape = {B, 12, d_model};
  for_every_kind([&shape](const MixerConfig& config) {
    if (config.kind == "attention") return;
    Mixed m(config, 12);
    const std::vector<double> whole = value(m.graph, m.y, m.leaves);
    const Recorded recorded = [&](Graph& graph, Carry& carry, Var x) {
      return mix({graph, m.params, carry, "m"}, x, config);
    };
    const bool any = config.kind != "memory" && config.kind != "ttt_linear" && config.kind != "ttt_mlp";
    const std::vector<std::int64_t> lengths =
        any ? std::vector<std::int64_t>{1, 4, 2, 5} : std::vector<std::int64_t>{3, 6, 3};
    const auto parts = in_stretches(recorded, m.leaves.values.at("x"), shape, lengths, m.leaves);
    std::int64_t first = 0;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      CHECK(largest_difference(parts[i], positions(whole, shape, first, first + lengths[i])) < 1e-11);
      first += lengths[i];
    }
  });
}

TEST_CASE("the gradients of every mixer agree with finite differences") {
  for_every_kind([](const MixerConfig& config) {
    Mixed m(config, 7);
    std::vector<Var> wrt = m.parameters();
    wrt.push_back(m.x);
    check_gradients(m.graph, sum_all(m.y * m.y), wrt, m.leaves);
  });
}

TEST_CASE("state_size counts what a stream carries of one sequence") {
  for_every_kind([](MixerConfig config) {
    if (config.kind == "attention") return;
    for (const bool momentum : {true, false}) {
      config.momentum = momentum;
      Graph graph;
      ParamStore params;
      Carry carry(Carry::Mode::stretch);
      mix({graph, params, carry, "m"}, graph.input("x", {1, 3, d_model}), config);
      std::int64_t carried = 0;
      for (const auto& [name, initial] : carry.initial()) carried += name == "m.seen" ? 0 : initial.shape().size();
      CHECK(state_size(config, 1000) == carried);
    }
  });
  CHECK(state_size(small("attention"), 10) == 2 * 8 * 10 + 3 * 8 * 2);
  CHECK(state_size(small("sliding_window"), 2) == 2 * 8 * 2 + 3 * 8 * 2);
}

TEST_CASE("the parameters of every mixer at its defaults, d_model 64") {
  const std::int64_t projection = 64 * 64, conv = 64 * 4, gate = 64 * 2 + 2;
  const std::int64_t qkv = 3 * (projection + conv), read_out = 2 * projection + 32;
  CHECK(parameters_of("attention") == qkv + projection + 2 * 2 * 4 * 32);
  CHECK(parameters_of("sliding_window") == parameters_of("attention"));
  CHECK(parameters_of("linear_attention") == qkv + read_out);
  CHECK(parameters_of("deltanet") == qkv + read_out + gate);
  CHECK(parameters_of("gated_deltanet") == qkv + read_out + 2 * gate);
  CHECK(parameters_of("ttt_linear") == qkv + read_out + gate + 16 + 2 * (32 * 32 + 32) + 2 * 2 * 32);
  CHECK(parameters_of("ttt_mlp") == qkv + read_out + gate + 16 + 2 * (2 * 32 * 64 + 64 + 32) + 2 * 2 * 32);
  CHECK(parameters_of("gru") == 3 * 64 * 64 * 2 + 2 * 3 * 64 + projection);
  CHECK(parameters_of("memory") == qkv + read_out + 3 * gate + 2 * 32 * 32);
  const auto bare = [](MixerConfig& c) {
    c.conv_width = 0;
    c.momentum = c.decay = c.learned_initial = c.output_gate = false;
  };
  CHECK(parameters_of("memory", bare) == 4 * projection + 32 + gate);
}

TEST_CASE("what a mixer shows of itself") {
  constexpr std::int64_t L = 7;
  const auto shape = [](const MixerConfig& config, const std::string& tap) {
    Mixed m(config, L);
    return m.graph.tapped("m." + tap).shape();
  };
  const Shape gate = {B, 2, L}, vectors = {B, 2, L, 4};
  for (const char* kind : {"attention", "sliding_window"}) {
    CHECK(shape(small(kind), "pattern") == Shape{2, B, L, L});
    CHECK(shape(small(kind), "persistent_pattern") == Shape{2, B, L, 2});
  }
  for (const char* kind : {"linear_attention", "deltanet", "gated_deltanet", "ttt_linear", "ttt_mlp", "memory"}) {
    CHECK(shape(small(kind), "q") == vectors);
    CHECK(shape(small(kind), "k") == vectors);
  }
  for (const char* tap : {"theta", "eta", "alpha"}) CHECK(shape(small("memory"), tap) == gate);
  for (const char* tap : {"beta", "alpha"}) CHECK(shape(small("gated_deltanet"), tap) == gate);
  CHECK(shape(small("deltanet"), "beta") == gate);
  CHECK(shape(small("ttt_linear"), "theta") == gate);
  CHECK(shape(deep_memory(), "M.0") == Shape{B, 2, 4, 8});
}

TEST_CASE("at the start the gates are what the config says, for every token") {
  Graph graph;
  ParamStore params;
  Carry carry;
  mix({graph, params, carry, "m"}, graph.input("x", {1, 5, 8}), MixerConfig{});
  params.initialise(Rng(1, Stream::init));
  std::mt19937 random(1);
  Leaves<double> leaves = leaves_of({{"x", normals(40, random)}});
  for (const ParamSpec& s : params.specs())
    leaves.values[s.name].assign(params.view(s.name).begin(), params.view(s.name).end());
  for (const auto& [tap, start] :
       std::vector<std::pair<std::string, double>>{{"theta", 0.25}, {"eta", 0.5}, {"alpha", 0.01}}) {
    for (double g : value(graph, graph.tapped("m." + tap), leaves)) CHECK(g == Approx(start).epsilon(1e-6));
  }
}

TEST_CASE("a memory of the step that the rules allow stays small over many tokens of noise") {
  for (std::int64_t depth : {1, 2, 3}) {
    Graph graph;
    ParamStore params;
    Carry carry;
    MixerConfig config;
    config.memory_depth = depth;
    if (depth > 1) config.theta_max = 0.2;
    mix({graph, params, carry, "m"}, graph.input("x", {1, 512, 64}), config);
    params.initialise(Rng(1, Stream::init));
    const std::vector<Plan::Output> outputs = {{graph.tapped("m.M.0")}};
    const Plan plan(graph, outputs, [&](const std::string& name, const Shape&) { return params.view(name).data(); });
    std::mt19937 random(1);
    const std::vector<double> noise = normals(512 * 64, random);
    std::copy(noise.begin(), noise.end(), static_cast<float*>(plan.input("x")));
    plan.run();
    const std::int64_t n = outputs[0].value.shape().size();
    CHECK(std::all_of(plan.output(0), plan.output(0) + n, [](float w) { return std::abs(w) < 10; }));
  }
}

TEST_CASE("a random initial memory that is not learned gets no gradient") {
  MixerConfig config = deep_memory();
  config.learned_initial = false;
  Mixed m(config, 7);
  const Var M_0 = m.graph.param("m.M_0.0", {2, 4, 8});
  const std::vector<Var> gradient = grad(sum_all(m.y * m.y), std::vector<Var>{M_0});
  const std::vector<double> g = value(m.graph, gradient[0], m.leaves);
  CHECK(std::all_of(g.begin(), g.end(), [](double e) { return e == 0; }));
}

TEST_CASE("streams that a mixer cannot follow are refused") {
  Graph graph;
  ParamStore params;
  Carry carry(Carry::Mode::stretch);
  const Var x = graph.input("x", {1, 4, d_model});
  CHECK_THROWS_WITH(mix({graph, params, carry, "m"}, x, small("attention")),
                    "m: attention to all tokens cannot run over a stream, its state grows with it; sliding_window can");
  CHECK_THROWS_WITH(mix({graph, params, carry, "m"}, x, small("ttt_linear")),
                    "m: a stream of ttt_linear goes in whole chunks of 3 tokens, not in stretches of 4");
}

TEST_CASE("rules between the keys of a mixer") {
  CHECK(refusal("kind: memory") == "");
  CHECK(refusal("alpha_start: 0.2").find("alpha_start (0.2) must be below alpha_max (0.1)") != std::string::npos);
  CHECK(refusal("{kind: deltanet, alpha_start: 0.2}") == "");
  CHECK(refusal("{decay: false, alpha_start: 0.2}") == "");
  CHECK(refusal("eta_start: 1").find("eta_start must be below 1, got 1") != std::string::npos);
  CHECK(refusal("memory_residual: true").find("memory_residual needs memory_depth 2 or more, got 1") !=
        std::string::npos);
  CHECK(
      refusal("{memory_depth: 2, theta_max: 0.1, alpha_max: 1, decay_to_initial: false}").find("never learns again") !=
      std::string::npos);
  CHECK(refusal("{memory_depth: 2, theta_max: 0.2, alpha_max: 1}") == "");
  CHECK(refusal("memory_depth: 2").find("theta_max (0.5) must be 0.2 or less for a memory of several layers") !=
        std::string::npos);
  CHECK(refusal("{kind: attention, d_head: 5}").find("rotary positions need an even d_head, got 5") !=
        std::string::npos);
  CHECK(refusal("{kind: deltanet, d_head: 5}") == "");
  CHECK(refusal("window: 0").find("window") != std::string::npos);
}
