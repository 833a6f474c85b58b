#include "config/reader.h"
#include "core/check.h"
#include "data/needle.h"
#include "experiments/titans/intervention.h"
#include "experiments/titans/memory_mixer.h"
#include "experiments/titans_memory.h"
#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

constexpr std::int64_t vocabulary = 11, positions = 24, batch = 5;
const std::vector<std::string> interventions = {"none", "zero", "freeze", "swap", "oracle_gates"};

/// One block without a convolution, so that after the window or segment the memory alone knows what came before.
titans::ModelConfig short_sighted(const std::string& architecture, const std::string& intervention) {
  titans::ModelConfig model = small_titan(architecture);
  model.n_layers = 1;
  model.mixer.conv_width = 0;
  model.mixer.intervention = intervention;
  return model;
}

/// The values of one tap, from a plan of fast kernels.
std::vector<float> tapped(RecordedTitan& r, const std::vector<std::int32_t>& role, const std::string& tap) {
  const std::vector<Plan::Output> outputs = {{r.graph.tapped(tap)}};
  const Plan plan(r.graph, outputs, [&](const std::string& name, const Shape&) { return r.params.view(name).data(); });
  if (plan.input("tokens"))
    std::copy(r.tokens().begin(), r.tokens().end(), static_cast<std::int32_t*>(plan.input("tokens")));
  if (plan.input("role")) std::copy(role.begin(), role.end(), static_cast<std::int32_t*>(plan.input("role")));
  plan.run();
  return {plan.output(0), plan.output(0) + outputs[0].value.shape().size()};
}

/// Key, value, four tokens of filler, again and again; a question at the end.
std::vector<std::int32_t> roles_of_pairs() {
  std::vector<std::int32_t> role;
  for (std::int64_t i = 0; i < batch * positions; ++i) role.push_back(i % 6 == 0 ? 1 : i % 6 == 1 ? 2 : 0);
  for (std::int64_t b = 0; b < batch; ++b) role[static_cast<std::size_t>((b + 1) * positions - 1)] = 3;
  return role;
}

/// What sequence `of` answers at its end when token `t` of sequence `changed` is another.
std::vector<float> last_answer(const titans::ModelConfig& model, std::int64_t of, std::int64_t changed = -1,
                               std::int64_t t = 0) {
  RecordedTitan r(model, vocabulary, positions, batch);
  if (changed >= 0) {
    std::int32_t& token = r.tokens()[static_cast<std::size_t>(changed * positions + t)];
    token = (token + 1) % vocabulary;
  }
  const std::vector<float> logits = tapped(r, roles_of_pairs(), "logits");
  const auto end = logits.begin() + (of + 1) * positions * vocabulary;
  return {end - vocabulary, end};
}

}  // namespace

TEST_CASE("titans: a model has the same parameters under every intervention") {
  for (const char* architecture : {"mixer", "mac", "mag", "mal"}) {
    std::vector<std::pair<std::string, Shape>> first;
    for (const std::string& intervention : interventions) {
      titans::ModelConfig model = small_titan(architecture);
      model.mixer.intervention = intervention;
      const RecordedTitan r(model, vocabulary, positions, batch);
      std::vector<std::pair<std::string, Shape>> parameters;
      for (const ParamSpec& s : r.params.specs()) parameters.emplace_back(s.name, s.shape);
      if (first.empty()) first = parameters;
      INFO(architecture << " " << intervention);
      const bool same = parameters == first;
      CHECK(same);
    }
  }
}

TEST_CASE("titans: with a memory that reads nothing or writes nothing, what lies behind window and segment is lost") {
  for (const char* architecture : {"mixer", "mac", "mag", "mal"}) {
    INFO(architecture);
    for (const std::string intervention : {"none", "zero", "freeze"}) {
      const titans::ModelConfig model = short_sighted(architecture, intervention);
      const bool remembers = last_answer(model, 0) != last_answer(model, 0, 0, 0);
      CHECK(remembers == (intervention == "none"));
    }
  }
}

TEST_CASE("titans: a frozen memory ends as it began and reads what M_0 says, whatever the gates") {
  for (std::int64_t depth : {1, 2}) {
    titans::ModelConfig model = short_sighted("mixer", "freeze");
    model.mixer.memory_depth = depth;
    RecordedTitan r(model, vocabulary, positions, batch, Purpose::measure);
    const std::vector<float> M = tapped(r, {}, "blocks.0.mixer.M.0");
    const std::span<const float> M_0 = r.params.view("blocks.0.mixer.M_0.0");
    for (std::size_t i = 0; i < M.size(); ++i) REQUIRE(M[i] == M_0[i % M_0.size()]);
    for (const char* gate : {"theta", "alpha"}) {
      const std::vector<float> values = tapped(r, {}, std::string("blocks.0.mixer.") + gate);
      CHECK(std::all_of(values.begin(), values.end(), [](float x) { return x == 0; }));
    }
    // |M(k) - v|^2 of M_0, and of the memory before and after each write.
    const std::vector<float> losses = tapped(r, {}, "blocks.0.mixer.inner_loss");
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const std::size_t of_M_0 = i / (3 * positions) * (3 * positions) + i % positions;
      CHECK(losses[i] == Approx(losses[of_M_0]).epsilon(1e-5));
    }
  }
}

TEST_CASE("titans: to swap questions is to swap what was written") {
  MemoryCase c({.depth = 2, .rows = 6});
  titans::MixerConfig config;
  config.n_heads = 2;
  config.chunk = 4;
  config.intervention = "swap";
  ParamStore params;
  Carry carry;
  const titans::MixerContext context{c.graph, params, carry, "m"};
  const Var swapped = titans::memory_pass(context, c.in, c.state, c.initial, config).out;
  // The same in the other direction: every row keeps its q and gets k, v, gates and weights of the sequence after.
  const auto next = [](Var x) { return concat({slice(x, 0, 2, 6), slice(x, 0, 0, 2)}, 0); };
  titans::MemoryInputs in = c.in;
  for (Var* x : {&in.k, &in.v, &in.theta, &in.eta, &in.alpha}) *x = next(*x);
  titans::MemoryState state = c.state;
  std::vector<Var> initial = c.initial;
  for (std::vector<Var>* layers : {&state.M, &state.S, &initial}) {
    for (Var& x : *layers) x = next(x);
  }
  const Var moved = titans::memory_chunked(in, state, initial, titans::memory_options(config)).out;
  CHECK(difference(c.evaluated({{swapped}}), c.evaluated({{moved}})) < 1e-12);
}

TEST_CASE("titans: a swapped model answers from its neighbour's memory") {
  for (const char* architecture : {"mixer", "mac", "mag", "mal"}) {
    INFO(architecture);
    const titans::ModelConfig model = short_sighted(architecture, "swap");
    const auto depends_on = [&](std::int64_t sequence, std::int64_t other) {
      return last_answer(model, sequence) != last_answer(model, sequence, other, 0);
    };
    CHECK(depends_on(0, 1));
    CHECK(depends_on(batch - 1, 0));
    // In mac what is read is written too, and would come back around a small batch.
    CHECK_FALSE(depends_on(0, 0));
    CHECK_FALSE(depends_on(1, 0));
  }
  CHECK_THROWS_WITH(
      RecordedTitan(short_sighted("mag", "swap"), vocabulary, positions, 1),
      "blocks.0.mixer: intervention swap asks the memory of the next sequence of the batch, and this batch "
      "has one sequence: set batch_size / shards, checkpoints.probes and eval.size to at least 2");
}

TEST_CASE("titans: oracle gates close for filler that sees no value, and leave the other gates as they are") {
  for (const char* architecture : {"mixer", "mac"}) {
    titans::ModelConfig model = small_titan(architecture);
    model.n_layers = 1;
    model.mixer.conv_width = 3;
    const std::vector<std::int32_t> role = roles_of_pairs();
    const auto gates = [&](const char* intervention, const std::string& which) {
      model.mixer.intervention = intervention;
      RecordedTitan r(model, vocabulary, positions, batch);
      return tapped(r, role, "blocks.0.mixer." + which);  // [batch, head, position]
    };
    INFO(architecture);
    for (const char* which : {"theta", "alpha"}) {
      const std::vector<float> oracle = gates("oracle_gates", which), own = gates("none", which);
      for (std::size_t i = 0; i < oracle.size(); ++i) {
        const std::size_t t = i % positions;
        // Key, value, and two tokens that see the value; the last position asks.
        const bool open = t % 6 < 4 || t == positions - 1;
        // In mac the inputs of later segments have read the memory, and so differ.
        if (!open) CHECK(oracle[i] == 0);
        if (open && (model.architecture == "mixer" || t < 4)) CHECK(oracle[i] == own[i]);
        if (open) CHECK(oracle[i] > 0);
      }
    }
    const bool momentum_is_the_model_s_own = gates("none", "eta").front() == gates("oracle_gates", "eta").front();
    CHECK(momentum_is_the_model_s_own);
  }
}

TEST_CASE("titans: under oracle gates filler leaves no trace but the pace at which momentum runs out") {
  for (const char* architecture : {"mixer", "mac", "mag", "mal"}) {
    INFO(architecture);
    titans::ModelConfig model = short_sighted(architecture, "oracle_gates");
    model.mixer.momentum = false;
    const auto depends_on = [&](std::int64_t t) { return last_answer(model, 0) != last_answer(model, 0, 0, t); };
    CHECK(depends_on(0));  // a key
    CHECK(depends_on(1));  // its value
    // Filler; in mac the last of its segment, since keys and values after it would have attended to it.
    CHECK_FALSE(depends_on(14));
    CHECK_FALSE(depends_on(15));
    model.mixer.momentum = true;  // eta is the filler's own
    CHECK(depends_on(14));
    model.mixer.momentum = false;
    model.mixer.intervention = "none";
    CHECK(depends_on(14));
  }
}

TEST_CASE("titans: oracle gates are refused where nothing says what is filler") {
  Graph graph;
  ParamStore params;
  Carry carry;
  const Var tokens = graph.input("tokens", {batch, positions}, DType::i32);
  CHECK_THROWS_WITH(
      titans::logits(graph, params, carry, short_sighted("mixer", "oracle_gates"), vocabulary, tokens, Purpose::train),
      "blocks.0.mixer: intervention oracle_gates needs to know which tokens are filler, which this task "
      "does not say");
}

TEST_CASE("titans: an intervention on what is no memory is refused where it stands in the config") {
  const auto refusal = [](const std::string& mixer) -> std::string {
    titans::ModelConfig model;
    try {
      read_config_text("run.yaml", "n_layers: 1\nmixer:\n" + mixer, {}, [&](Fields& f) { model.fields(f); });
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(refusal("  kind: memory\n  intervention: freeze\n").empty());
  CHECK(refusal("  kind: deltanet\n").empty());
  const std::string message = refusal("  kind: deltanet\n  intervention: freeze\n");
  CHECK(message.starts_with("run.yaml:4:"));
  CHECK(message.find("intervention freeze is done to a memory, and kind deltanet has none: use kind memory, or none") !=
        std::string::npos);
  CHECK(refusal("  intervention: frozen\n").find("none, zero, freeze, swap, oracle_gates") != std::string::npos);
}
