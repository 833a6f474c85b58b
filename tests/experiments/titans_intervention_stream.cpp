#include "core/check.h"
#include "experiments/titans/needle_stream.h"
#include "experiments/titans/stream.h"
#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// Eight sequences of a needle task with everything that the task says of them.
struct Needles {
  NeedleConfig config;
  Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};
  std::vector<std::vector<std::int32_t>> memory;

  Needles() {
    config.shape = {.vocab_size = 20, .length = 90};
    config.n_pairs = 4;
    const Needle task(config, seeds);
    memory.assign(task.fields().size(), std::vector<std::int32_t>(8 * 90));
    std::vector<void*> arrays;
    for (auto& m : memory) arrays.push_back(m.data());
    task.sample_eval(0, 0, Batch(8, arrays));
  }
  const std::vector<std::int32_t>& field(std::size_t f) const { return memory[f]; }
};

/// The loss at the end of the sequences, read as a whole.
double loss_of_whole(RecordedTitan& r, const Needles& needles) {
  const std::vector<Plan::Output> outputs = {{r.graph.tapped("logits")}};
  const Plan plan(r.graph, outputs, [&](const std::string& name, const Shape&) { return r.params.view(name).data(); });
  const auto give = [&](const char* input, std::size_t field) {
    auto* to = static_cast<std::int32_t*>(plan.input(input));
    if (to) std::copy(needles.field(field).begin(), needles.field(field).end(), to);
  };
  give("tokens", Needle::tokens_field);
  give("role", Needle::role_field);
  plan.run();
  double loss = 0;
  for (std::size_t b = 0; b < 8; ++b) {
    const float* last = plan.output(0) + (b * 90 + 89) * 20;
    double total = 0;
    for (int c = 0; c < 20; ++c) total += std::exp(last[c]);
    loss += (std::log(total) - last[needles.field(Needle::target_field)[b * 90 + 89]]) / 8;
  }
  return loss;
}

}  // namespace

TEST_CASE("titans: a stream under an intervention says what the whole sequence would") {
  const Needles needles;
  ThreadPool pool(1);
  for (const char* architecture : {"mixer", "mac", "mag", "mal"}) {
    double without = 0;
    for (const char* intervention : {"none", "zero", "freeze", "swap", "oracle_gates"}) {
      titans::ModelConfig model = small_titan(architecture);
      model.mixer.intervention = intervention;
      RecordedTitan r(model, 20, 90, 8);
      const double whole = loss_of_whole(r, needles);
      INFO(architecture << " " << intervention);
      // A batch of all eight, so that a swap has the same neighbours. In stretches of 8 pairs are cut in two.
      for (std::int64_t stretch : {8, 96}) {
        const auto found =
            titans::stream_needles(r.params, model, needles.config, needles.seeds,
                                   {.lengths = {90}, .samples = 8, .batch = 8, .stretch = stretch}, pool);
        CHECK(found[0].loss == Approx(whole).epsilon(1e-5));
      }
      if (without == 0)
        without = whole;
      else
        CHECK(std::abs(whole - without) > 1e-3);
    }
  }
}

TEST_CASE("titans: a stream asks for the roles of its tokens under oracle gates alone") {
  for (const char* intervention : {"none", "oracle_gates"}) {
    titans::ModelConfig model = small_titan();
    model.mixer.intervention = intervention;
    const RecordedTitan r(model, 16, 8, 3);
    ParamStore params;
    Graph graph;
    titans::record(graph, params, model, 16, 8, 3, Purpose::train);
    params.initialise(Rng(3, Stream::init));
    titans::TokenStream stream(params, model, 16, 3, 8);
    CHECK(stream.roles().size() == (model.needs_roles() ? 24 : 0));
  }
}
