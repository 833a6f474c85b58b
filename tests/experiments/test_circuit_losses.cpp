#include "experiments/clamped_network.h"
#include "experiments/icl_classification/circuit_losses.h"
#include "probes/classification.h"
#include "train/evaluator.h"

using namespace saltus;
using namespace saltus::tests;
using icl_classification::CircuitLossProbe;

namespace {

ModelConfig with_circuits(std::int64_t n_heads) {
  ModelConfig model = small_model();
  model.n_heads = n_heads;
  model.circuit_losses = true;
  return model;
}

/// Nothing but the circuit: label tokens see their items, the target the labels of its class, others nothing.
void restrict_to_circuit(Attention& a) {
  const bool label = a.layer == 0 && a.is_label(), target = a.layer == 1 && a.is_target();
  if (a.layer == 0) std::fill(a.p.begin(), a.p.end(), 0);
  if (label) a.p[a.query - 1] = 1;
  if (target) a.mix(1, [&](std::size_t j) { return a.on_right_label(j); });
}

void exclude_circuit(Attention& a) {
  if (a.layer == 1 && a.is_target()) a.remove(1, [&](std::size_t j) { return a.on_right_label(j); });
}

/// A network with drawn parameters, measured on 96 sequences of the set ic.
Evaluator::Result measured(const ModelConfig& model) {
  Experiment e;
  e.task = std::make_unique<IclClassification>(small_task(), Seeds{});
  e.record = [&model](Graph& graph, ParamStore& params, const Recording& r) {
    return icl_classification::record(graph, params, small_task(), model, r.batch, r.purpose);
  };
  e.eval = std::make_unique<ClassificationProbe>(IclClassification::label_field);
  if (model.circuit_losses)
    e.progress = std::make_unique<CircuitLossProbe>(small_task(), 2, static_cast<int>(model.n_heads));
  else
    e.progress = std::make_unique<icl_classification::ProgressProbe>(small_task(), 2, static_cast<int>(model.n_heads));
  e.progress_set = "ic";
  Graph graph;
  e.record(graph, e.params, e.whole(2, Purpose::train));
  e.params.initialise(Rng(0, Stream::init));
  ThreadPool pool(1);
  return Evaluator(e, 96, pool).run();
}

}  // namespace

TEST_CASE("restricted and excluded logits are those of a plainly written network with a hand in its attention") {
  for (std::int64_t heads : {1, 2}) {
    Network n(small_task(), with_circuits(heads), 3, Purpose::measure);
    n.randomise(31);
    const auto logits = [&](const char* name) { return value(n.graph, n.graph.tapped(name), n.leaves); };
    CHECK(relative_difference(logits("restricted.logits"), ClampedNetwork(n, restrict_to_circuit).logits()) < 1e-12);
    CHECK(relative_difference(logits("excluded.logits"), ClampedNetwork(n, exclude_circuit).logits()) < 1e-12);
    CHECK(relative_difference(logits("logits"), ClampedNetwork(n, [](Attention&) {}).logits()) < 1e-12);
    double squares = 0;
    for (const ParamSpec& spec : n.params.specs()) {
      for (double x : n.leaves.values.at(spec.name)) squares += x * x;
    }
    CHECK(logits("weight_norm")[0] == Approx(std::sqrt(squares)).epsilon(1e-12));
  }
}

TEST_CASE("the circuits come after the model's own clamps") {
  ModelConfig given = with_circuits(2);
  given.clamps = {"1.0 induction", "0.1 zero"};
  Network n(small_task(), given, 3, Purpose::measure);
  n.randomise(31);
  const auto logits = [&](const char* name) { return value(n.graph, n.graph.tapped(name), n.leaves); };
  const auto own = [](Attention& a) {
    if (a.at(1, 0) && a.is_target()) a.mix(1, [&](std::size_t j) { return a.on_right_label(j); });
    if (a.at(0, 1)) std::fill(a.p.begin(), a.p.end(), 0);
  };
  const std::vector<double> excluded = ClampedNetwork(n, [&](Attention& a) { own(a), exclude_circuit(a); }).logits();
  CHECK(relative_difference(logits("excluded.logits"), excluded) < 1e-12);
  CHECK(relative_difference(logits("logits"), excluded) > 1e-3);  // of head 0 nothing is left
  CHECK(relative_difference(logits("restricted.logits"), ClampedNetwork(n, restrict_to_circuit).logits()) < 1e-12);
}

TEST_CASE("circuit losses are what the progress set has under the circuit's clamps, behind the other measures") {
  for (std::int64_t heads : {1, 2}) {
    const Evaluator::Result with = measured(with_circuits(heads));
    ModelConfig plain = with_circuits(heads);
    plain.circuit_losses = false;
    const std::size_t ic = 1, first = measured(plain).progress.size();
    const std::vector<double> others(with.progress.begin(), with.progress.begin() + static_cast<std::ptrdiff_t>(first));
    CHECK(others == measured(plain).progress);

    std::vector<double> expected = with.eval[ic];
    for (const icl_classification::Circuit& circuit : icl_classification::circuits()) {
      ModelConfig clamped = plain;
      clamped.clamps = circuit.clamps;
      const std::vector<double> ic_measures = measured(clamped).eval[ic];
      expected.insert(expected.end(), ic_measures.begin(), ic_measures.end());
    }
    REQUIRE(with.progress.size() == first + expected.size() + 1);
    for (std::size_t i = 0; i < expected.size(); ++i) CHECK(with.progress[first + i] == Approx(expected[i]));
    const auto names = CircuitLossProbe(small_task(), 2, static_cast<int>(heads)).measures();
    CHECK(names[names.size() - 5].name == "restricted_loss");
    CHECK(names.back().name == "weight_norm");
  }
}

TEST_CASE("circuits are recorded for measuring only") {
  const Network train(small_task(), with_circuits(1), 2, Purpose::train), plain(small_task(), small_model(), 2);
  CHECK(train.graph.size() == plain.graph.size());
  CHECK(train.params.count() == plain.params.count());
}
