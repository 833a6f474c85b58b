#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "config/reader.h"
#include "core/check.h"
#include "experiments/registry.h"
#include "experiments/titans/regression_model.h"
#include "experiments/titans/regression_probes.h"
#include "experiments/titans/system.h"
#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

const DriftingRegressionConfig small_task = {.n_pairs = 9, .input_dim = 3, .output_dim = 2, .noise_std = 0.5};

/// The regression model, recorded for two sequences, with every parameter, x and y at random.
struct RecordedRegression {
  Graph graph;
  ParamStore params;
  Var loss;
  std::vector<float> x, y;

  explicit RecordedRegression(const ModelConfig& model, Purpose purpose = Purpose::train) : x(2 * 9 * 3), y(2 * 9 * 2) {
    loss = record_regression(graph, params, model, small_task, 2, purpose);
    params.initialise(Rng(3, Stream::init));
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (const ParamSpec& s : params.specs()) {
      for (float& w : params.view(s.name)) w = normal(random) / 2;
    }
    for (auto* values : {&x, &y}) {
      for (float& v : *values) v = normal(random);
    }
  }

  /// An output of a plan: the loss, or the tap predictions [batch, pair, output].
  std::vector<float> run(Var what) {
    const std::vector<Plan::Output> outputs = {{what}};
    Plan plan(graph, outputs, [this](const std::string& name, const Shape&) { return params.view(name).data(); });
    std::copy(x.begin(), x.end(), static_cast<float*>(plan.input("x")));
    std::copy(y.begin(), y.end(), static_cast<float*>(plan.input("y")));
    plan.run();
    return {plan.output(0), plan.output(0) + what.shape().size()};
  }
  std::vector<float> predictions() { return run(graph.tapped("predictions")); }
};

/// The first pair of the first sequence whose answer differs; 9 if none does.
int first_change(const std::vector<float>& a, const std::vector<float>& b) {
  for (int t = 0; t < 9; ++t) {
    if (!std::equal(a.begin() + 2 * t, a.begin() + 2 * t + 2, b.begin() + 2 * t)) return t;
  }
  return 9;
}

}  // namespace

TEST_CASE("titans regression: an answer knows its own x and the pairs before it, and never its own y") {
  for (const ModelConfig& model : all_titans()) {
    RecordedRegression r(model);
    const std::vector<float> before = r.predictions();
    INFO(name_of(model));
    for (std::size_t t = 0; t < 9; ++t) {
      const float x = std::exchange(r.x[3 * t + 1], 5.0F);
      REQUIRE(first_change(before, r.predictions()) == static_cast<int>(t));
      r.x[3 * t + 1] = x;
      const float y = std::exchange(r.y[2 * t], 5.0F);
      const std::vector<float> after = r.predictions();
      REQUIRE(first_change(before, after) == static_cast<int>(t) + 1);
      REQUIRE(std::equal(before.begin() + 18, before.end(), after.begin() + 18));  // the other sequence
      r.y[2 * t] = y;
    }
  }
}

TEST_CASE("titans regression: the loss is the squared error over E y^2, as the eval probe has it pair by pair") {
  RecordedRegression r(small_titan());
  const std::vector<float> answers = r.predictions();
  double squares = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) squares += std::pow(answers[i] - r.y[i], 2);
  const double expected = squares / static_cast<double>(answers.size()) / 1.25;
  CHECK(r.run(r.loss)[0] == Approx(expected).epsilon(1e-5));

  std::vector<float> drift(2);
  const Batch batch(2, {r.x.data(), r.y.data(), drift.data()});
  const Shape shape = {2, 9, 2};
  const auto tap = [&](const std::string&) { return TapValue{answers.data(), shape}; };
  std::vector<double> loss(1), pointwise(9);
  DriftErrorProbe(small_task).accumulate(batch, tap, loss);
  DriftPointwiseProbe(small_task).accumulate(batch, tap, pointwise);
  CHECK(loss[0] / 2 == Approx(expected).epsilon(1e-5));
  double third = 0;
  for (const std::size_t i : {4U, 5U, 22U, 23U}) third += std::pow(answers[i] - r.y[i], 2) / 2 / 1.25;
  CHECK(pointwise[2] == Approx(third).epsilon(1e-5));

  for (float& w : r.params.view("unembed.W_U")) w = 0;
  double power = 0;
  for (float y : r.y) power += y * y;
  CHECK(r.run(r.loss)[0] == Approx(power / static_cast<double>(r.y.size()) / 1.25).epsilon(1e-5));
}

TEST_CASE("titans regression: the size of a y is seen, not only its sign") {
  ModelConfig model = small_titan("mixer", "attention");
  model.n_layers = 1;  // a second would see how a y compares with what the first added to it
  RecordedRegression r(model);
  const std::vector<float> before = r.predictions();
  for (std::size_t p : {0U, 1U}) r.y[p] *= 2;  // with y W_y alone the norm would take the factor off again
  const std::vector<float> after = r.predictions();
  double moved = 0;
  for (std::size_t i = 0; i < after.size(); ++i)
    moved = std::max(moved, std::abs(static_cast<double>(after[i]) - before[i]));
  CHECK(moved > 1e-2);
}

TEST_CASE("titans regression: gates at an x and at a y, and what memories say of themselves") {
  ModelConfig model;
  model.n_layers = model.mixer.n_heads = 1;
  const DriftingRegressionConfig task{.n_pairs = 2, .input_dim = 1};
  std::map<std::string, std::pair<Shape, std::vector<float>>> taps = {
      {"theta", {{1, 1, 4}, {0.25F, 0.5F, 0.75F, 0.5F}}},
      {"eta", {{1, 1, 4}, {0, 0.5F, 0, 0.5F}}},
      {"alpha", {{1, 1, 4}, {0, 0.5F, 0, 0.5F}}},
      {"q", {{1, 1, 4, 1}, {1, 1, 1, 1}}},
      {"k", {{1, 1, 4, 1}, {1, 1, 1, 1}}},
      {"inner_loss", {{1, 1, 3, 4}, {4, 4, 4, 4, 2, 2, 0, 0, 1, 0, 0, 1}}},
      {"M.0", {{1, 1, 2, 2}, {1, 0, 0, 1}}}};
  const auto measured = [&](const char* name) {
    const DriftGateProbe probe(task, model);
    std::size_t size = 0;
    for (const Measure& m : probe.measures()) size += static_cast<std::size_t>(m.size());
    std::vector<double> sums(size);
    std::vector<float> x(2), y(2), drift(1);
    probe.accumulate(
        Batch(1, {x.data(), y.data(), drift.data()}),
        [&](const std::string& tap) -> TapValue {
          const auto& [shape, values] = taps.at(tap.substr(std::string("blocks.0.mixer.").size()));
          return {values.data(), shape};
        },
        sums);
    auto from = sums.begin();
    for (const Measure& m : probe.measures()) {
      if (m.name == name) return std::vector<double>(from, from + m.size());
      from += m.size();
    }
    return std::vector<double>();
  };
  using Numbers = std::vector<double>;
  CHECK(measured("theta") == Numbers{0.5, 0.5});
  CHECK(measured("eta") == Numbers{0, 0.5});
  CHECK(measured("alpha") == Numbers{0, 0.5});
  CHECK(measured("decay_half_life")[0] == Approx(2));
  CHECK(measured("stability_margin")[0] == Approx(0.5));  // at the third token: 2 - 1.5
  CHECK(measured("inner_loss") == Numbers{4, 1, 0.5});
  CHECK(measured("inner_loss_by_position") == Numbers{4, 4, 4, 4, 2, 2, 0, 0, 1, 0, 0, 1});
  CHECK(measured("memory_stable_rank")[0] == Approx(2));
  CHECK(measured("memory_effective_rank")[0] == Approx(2));
  taps["beta"] = {{1, 1, 4}, {1, 0.5F, 0, 0.25F}};
  model.mixer.kind = "gated_deltanet";
  CHECK(measured("beta") == Numbers{0.5, 0.375});
  CHECK(measured("alpha") == Numbers{0, 0.5});
  model.mixer.kind = "deltanet";
  CHECK(measured("beta") == Numbers{0.5, 0.375});
  CHECK(measured("alpha").empty());
}

TEST_CASE("titans regression: what is measured is there to be measured, whatever the mixers") {
  for (const ModelConfig& model : all_titans()) {
    RecordedRegression r(model, Purpose::measure);
    INFO(name_of(model));
    for (const std::string& tap : DriftGateProbe(small_task, model).taps()) CHECK_NOTHROW(r.graph.tapped(tap));
    CHECK(DriftGateProbe::has_gates(model) == !DriftGateProbe(small_task, model).measures().empty());
  }
}

TEST_CASE("titans regression: the system is in the table and builds with its references") {
  const SystemTable all = systems();
  const auto entry = std::find_if(all.begin(), all.end(),
                                  [](const SystemEntry& s) { return std::string(s.name) == "titans_regression"; });
  REQUIRE(entry != all.end());
  const System system = entry->make();
  system.set_context_length(5);
  const std::unique_ptr<Experiment> e = system.build({});
  CHECK(e->task->fields()[DriftingRegression::x_field].shape == Shape{5, 8});
  Graph graph;
  e->record(graph, e->params, e->whole(2, Purpose::measure));
  for (const std::string& tap : e->progress->taps()) CHECK_NOTHROW(graph.tapped(tap));
  for (const Experiment::Fact& fact : e->facts)
    CHECK(static_cast<std::int64_t>(fact.values.size()) == fact.measure.size());
  CHECK(e->references->measures()[0].name == "risk");
}

TEST_CASE("titans regression: the references say what a sequence carries at its end") {
  const System system = regression_system();
  const std::string text =
      "n_layers: 1\nmixer: {kind: attention, n_heads: 2, d_head: 8, conv_width: 0, n_persistent: 0}\n";
  read_config_text("run.yaml", text, {}, system.model_fields);
  system.set_context_length(5);
  const Experiment::Fact fact = system.build({})->facts.back();
  CHECK(fact.measure.name == "state_size");
  CHECK(fact.values == std::vector<double>{2 * 2 * 8 * 10});  // a key and a value a head, of both tokens of a pair
}

TEST_CASE("titans regression: oracle gates are refused where they stand in the config, as there is no filler") {
  const auto refusal = [](const std::string& intervention) -> std::string {
    const System system = regression_system();
    const std::string text = "model:\n  mixer:\n    intervention: " + intervention + "\n";
    try {
      read_config_text("run.yaml", text, {}, [&](Fields& f) {
        f.section("model", "the network", system.model_fields);
        system.rules(f);
      });
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  const std::string message = refusal("oracle_gates");
  CHECK(message.starts_with("run.yaml:3:"));
  CHECK(message.find("model.mixer.intervention") != std::string::npos);
  CHECK(message.find("titans_regression has none: use none, zero, freeze or swap") != std::string::npos);
  CHECK(refusal("freeze").empty());
}
