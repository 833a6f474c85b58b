#include <cmath>
#include <map>

#include "core/check.h"
#include "experiments/titans/inner_loss.h"
#include "experiments/titans/memory_probes.h"
#include "experiments/titans/system.h"
#include "experiments/titans_model.h"
#include "train/system.h"

using namespace saltus;
using namespace saltus::tests;
using titans::BranchProbe;
using titans::KeyProbe;
using titans::WriteProbe;

namespace {

constexpr SequenceShape shape = {.vocab_size = 5, .length = 4};

titans::ModelConfig planted_model() {
  titans::ModelConfig model;
  model.n_layers = 1;
  model.mixer.n_heads = 2;
  model.mixer.d_head = 2;
  model.mixer.conv_width = 0;
  return model;
}

/// One sequence, a key, its value, a filler and the question about it, and the taps of two heads.
struct Planted {
  std::vector<std::int32_t> tokens = {0, 0, 0, 0}, target = {0, 0, 0, 3}, role = {1, 2, 0, 3}, distance = {0, 0, 0, 2},
                            writes = {0, 0, 0, 0};
  std::vector<float> weight = {0, 0, 0, 1};
  std::map<std::string, std::vector<float>> taps;
  std::map<std::string, Shape> shapes;

  void plant(const std::string& name, Shape s, std::vector<float> values) {
    REQUIRE(static_cast<std::int64_t>(values.size()) == s.size());
    shapes["blocks.0." + name] = s;
    taps["blocks.0." + name] = std::move(values);
  }
  std::vector<double> measured(const Probe& probe, const std::string& name) {
    std::size_t n = 0;
    for (const Measure& m : probe.measures()) n += static_cast<std::size_t>(m.size());
    std::vector<double> sums(n);
    const Batch batch(1, {tokens.data(), target.data(), weight.data(), role.data(), distance.data(), writes.data()});
    probe.accumulate(
        batch,
        [this](const std::string& tap) -> TapValue {
          return {taps.at(tap).data(), shapes.at(tap)};
        },
        sums);
    auto from = sums.begin();
    for (const Measure& m : probe.measures()) {
      if (m.name == name) return {from, from + m.size()};
      from += m.size();
    }
    FAIL("no measure " << name);
    return {};
  }
};

Planted planted() {
  Planted p;
  const Shape vectors = {1, 2, 4, 2}, gates = {1, 2, 4};
  // Head 0 writes the value's token under (1, 0) and asks for it; head 1 asks for the filler's.
  p.plant("mixer.k", vectors, {0, 1, 1, 0, 0, 1, 0, 1, /**/ 0, 1, 1, 0, 0, 1, 1, 0});
  p.plant("mixer.q", vectors, {0, 1, 0, 1, 0, 1, 1, 0, /**/ 0, 1, 0, 1, 0, 1, 0, 1});
  p.plant("mixer.theta", gates, {0.1F, 0.4F, 0, 0.2F, /**/ 0.5F, 0.5F, 0.5F, 0.5F});
  p.plant("mixer.eta", gates, {0, 0, 0, 0, /**/ 0.5F, 0.5F, 0.5F, 0.5F});
  p.plant("mixer.alpha", gates, {0, 0, 0, 0, /**/ 0.5F, 0.5F, 0.5F, 0.5F});
  p.plant("mixer.inner_loss", {1, 2, 3, 4},
          {4, 4, 4, 4, 1, 2, 3, 2, 0, 1, 0, 1, /**/ 0, 0, 0, 8, 0, 0, 4, 0, 0, 0, 0, 0});
  p.plant("mixer.M.0", {1, 2, 2, 2}, {1, 0, 0, 1, /**/ 2, 0, 0, 0});
  return p;
}

using Numbers = std::vector<double>;

}  // namespace

TEST_CASE("titans: gates by the role of the token, and what follows from them") {
  Planted p = planted();
  const WriteProbe probe(shape, planted_model());
  const Numbers theta = p.measured(probe, "theta");  // [head, role]: filler, key, value, query
  CHECK(theta[0] == 0);
  CHECK(theta[1] == Approx(0.1));
  CHECK(theta[2] == Approx(0.4));
  CHECK(theta[3] == Approx(0.2));
  CHECK(p.measured(probe, "eta") == Numbers{0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5});
  CHECK(p.measured(probe, "alpha") == Numbers{0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5});
  CHECK(std::isinf(p.measured(probe, "decay_half_life")[0]));
  CHECK(p.measured(probe, "decay_half_life")[1] == Approx(1));
  CHECK(p.measured(probe, "stability_margin")[0] == Approx(2 - 0.8));
  CHECK(p.measured(probe, "stability_margin")[1] == Approx(1.5 * 1.5 - 1));
  CHECK(p.measured(probe, "repetition_growth")[0] ==
        Approx(std::pow(0.4, 0.25)).epsilon(1e-6));  // 1 - 2 (0.1 + 0.4 + 0.2), to the power 1/4
  p.role = {3, 3, 3, 3};
  CHECK(std::isnan(p.measured(probe, "theta")[0]));
  CHECK(p.measured(probe, "theta")[3] == Approx(0.7 / 4));
}

TEST_CASE("titans: what a question reads, in keys and in writes") {
  Planted p = planted();
  CHECK(p.measured(WriteProbe(shape, planted_model()), "implicit_attention") == Numbers{1, 0});
  CHECK(p.measured(KeyProbe(shape, planted_model()), "query_key_alignment") == Numbers{1, -2.0 / 3});
  titans::ModelConfig model = planted_model();
  model.mixer.conv_width =
      4;  // what is written up to three tokens later may hold the answer too; the question itself is two later
  // Of head 1's two writes under (0, 1), the momentum's half and the decay's half leave 1/4 of the first and 1/2 of the
  // second.
  const Numbers shares = p.measured(WriteProbe(shape, model), "implicit_attention"),
                expected_shares = {1, 0, 0, 0, 0, 2.0 / 3, 0, 0};
  const Numbers cosines = p.measured(KeyProbe(shape, model), "query_key_alignment");
  const Numbers expected_cosines = {1, -1.0 / 3, -1.0 / 3, 0, -2.0 / 3, 2.0 / 3, -2.0 / 3, 0};
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(shares[i] == Approx(expected_shares[i]));
    CHECK(cosines[i] == Approx(expected_cosines[i]));
  }
  const Numbers interference = p.measured(KeyProbe(shape, planted_model()), "key_interference");
  CHECK(interference[0] == Approx(3 / 6.0));
  CHECK(interference[1] == Approx(2 / 6.0));
}

TEST_CASE("titans: inner losses and the rank of what is stored") {
  Planted p = planted();
  const WriteProbe probe(shape, planted_model());
  CHECK(p.measured(probe, "inner_loss") == Numbers{4, 2, 0.5, 2, 1, 0});
  const std::vector<float>& tap = p.taps.at("blocks.0.mixer.inner_loss");  // [head, reader, position]
  CHECK(p.measured(probe, "inner_loss_by_position") == Numbers(tap.begin(), tap.end()));
  CHECK(p.measured(probe, "memory_stable_rank")[0] == Approx(2));
  CHECK(p.measured(probe, "memory_stable_rank")[1] == Approx(1));
  CHECK(p.measured(probe, "memory_effective_rank")[0] == Approx(2));
  CHECK(p.measured(probe, "memory_effective_rank")[1] == Approx(1));
}

TEST_CASE("titans: how a block weighs its branches") {
  Planted p;
  titans::ModelConfig model = planted_model();
  model.architecture = "mac";
  p.plant("mixer.gate", {1, 4, 2}, {0.5F, 0.5F, 1, 0, 0.25F, 0.75F, 0.5F, 0});
  p.plant("attn.sources", {1, 2, 4, 3},
          {1, 0, 0, 0, 1, 0, 0, 0, 1, 0.5F, 0.5F, 0, /**/ 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1});
  const BranchProbe probe(shape, model);
  CHECK(p.measured(probe, "attention_gate")[0] == Approx(3.5 / 8));
  CHECK(p.measured(probe, "attention_by_source") == Numbers{0.375, 0.375, 0.25, 0, 0, 1});
  model.architecture = "mag";
  CHECK(BranchProbe(shape, model).measures().size() == 1);
}

TEST_CASE("titans: inner losses of a memory that writes one pair twice, by hand") {
  Graph graph;
  const Var M_0 = graph.constant({3}, {1, 1, 1});
  // k = 1, v = 1 twice, theta = 1/4: the gradient is 2 (M - 1), so M goes from 3 to 2 to 1.5.
  const Var ones = graph.constant({1, 1}, {1, 2, 1}), zeros = graph.constant({0, 0}, {1, 2});
  const titans::MemoryInputs in{.q = zeros.graph->constant({5, 5}, {1, 2, 1}),
                                .k = ones,
                                .v = ones,
                                .theta = graph.constant({0.25, 0.25}, {1, 2}),
                                .eta = zeros,
                                .alpha = zeros};
  const titans::MemoryState state{{M_0}, {graph.constant({0}, {1, 1, 1})}};
  const std::vector<double> losses = value(graph, titans::inner_losses(in, state, {M_0}, {.chunk = 1}), {});
  const std::vector<double> by_hand = {4, 4, 4, 1, 1, 0.25};
  for (std::size_t i = 0; i < 6; ++i) CHECK(losses[i] == Approx(by_hand[i]).epsilon(1e-9));
}

TEST_CASE("titans: every system builds, measures what its model has, and gives finite numbers where it should") {
  for (const auto& make :
       {titans::recall_system, titans::needle_system, titans::copy_system, titans::tracking_system}) {
    const std::unique_ptr<Experiment> e = make().build({});
    Graph graph;
    e->record(graph, e->params, e->whole(2, Purpose::measure));
    for (const std::string& tap : e->progress->taps()) CHECK_NOTHROW(graph.tapped(tap));
    CHECK(e->task->fields()[SequenceTask::tokens_field].name == "tokens");
    CHECK(e->n_layers == 0);
  }
  for (const titans::ModelConfig& model : all_titans()) {
    RecordedTitan r(model, 11, 12, 2, Purpose::measure);
    INFO(name_of(model));
    const auto has = [&r](const std::string& tap) {
      return std::any_of(r.graph.taps().begin(), r.graph.taps().end(), [&](const auto& t) { return t.first == tap; });
    };
    CHECK(has("blocks.1.attn.pattern") == model.has_patterns());
    CHECK(has("blocks.1.mixer.k") == model.has_keys());
    CHECK(has("blocks.1.mixer.inner_loss") == model.has_memory());
    CHECK(has("blocks.1.mixer.gate") == model.has_gate());
    if (model.has_memory()) {
      CHECK(r.graph.tapped("blocks.1.mixer.q").shape() == Shape{2, 2, 12, 4});
      CHECK(r.graph.tapped("blocks.1.mixer.alpha").shape() == Shape{2, 2, 12});
      CHECK(r.graph.tapped("blocks.1.mixer.inner_loss").shape() == Shape{2, 2, 3, 12});
    }
  }
}
