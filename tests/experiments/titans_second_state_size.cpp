#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;

TEST_CASE("titans: state_size is what a stream carries of one sequence, whatever the architecture") {
  for (const titans::ModelConfig& model : all_titans()) {
    if (model.mixer.kind == "attention") continue;
    Graph graph;
    ParamStore params;
    Carry carry(Carry::Mode::stretch);
    titans::logits(graph, params, carry, model, 11, graph.input("tokens", {1, 8}, DType::i32), Purpose::train);
    std::int64_t carried = 0;
    for (const auto& [name, initial] : carry.initial())
      carried += name.ends_with(".seen") ? 0 : initial.shape().size();  // how much of a window is there yet
    INFO(name_of(model));
    CHECK(titans::state_size(model, 1000) == carried);
  }
}

TEST_CASE("titans: attention to all tokens carries a key and a value for each") {
  const titans::ModelConfig model = small_titan("mixer", "attention");
  CHECK(titans::state_size(model, 10) ==
        2 * (2 * 8 * 10 + 3 * 8 * 2));  // blocks, channels, tails of three convolutions
  const Experiment::Fact fact = titans::state_fact(model, 10);
  CHECK(fact.measure.name == "state_size");
  CHECK(fact.values == std::vector<double>{416});
}
