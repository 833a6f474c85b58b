#include "experiments/titans/memory.h"
#include "experiments/titans_model.h"
#include "ops/ops.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// Two sequences of 11 tokens, asked three times each.
constexpr std::int64_t batch = 2, positions = 11, questions = 3;
const std::vector<std::int32_t> asked = {1, 6, 7, 0, 4, 10}, answer = {3, 0, 2, 4, 4, 1};

struct Recorded {
  Graph graph;
  ParamStore params;
  Var loss;

  /// The loss, and after it the gradient of every parameter.
  std::vector<std::vector<double>> loss_and_gradients(const Leaves<double>& leaves) {
    std::vector<Var> parameters;
    for (const ParamSpec& s : params.specs()) parameters.push_back(graph.param(s.name, s.shape));
    std::vector<Var> wanted = grad(loss, parameters);
    wanted.insert(wanted.begin(), loss);
    return evaluate<double>(graph, wanted, leaves);
  }
};

/// The model as it is written down: every position's token is looked up first, and every position has logits.
void record_everywhere(Recorded& r, const titans::ModelConfig& model, std::int64_t vocabulary) {
  Carry carry;
  const Var tokens = r.graph.input("tokens", {batch, positions}, DType::i32),
            target = r.graph.input("target", {batch, positions}, DType::i32),
            weight = r.graph.input("weight", {batch, positions});
  const Var W_E =
      r.params.declare(r.graph, "embed.W_E", {vocabulary, model.d_model}, {"token", "d_model"}, Init::normal(1));
  const Var scores = titans::network(r.graph, r.params, carry, model, take(W_E, tokens), vocabulary, "token",
                                     Purpose::train);  // [batch, position, token]
  r.loss = sum_all(weight * softmax_cross_entropy(scores, target)) / static_cast<double>(batch * questions);
}

Leaves<double> leaves_of(const ParamStore& params, std::int64_t vocabulary) {
  Leaves<double> leaves;
  std::mt19937 random(7);
  for (const ParamSpec& s : params.specs()) leaves.values[s.name] = normals(s.shape.size(), random, 0.5);
  std::uniform_int_distribution<std::int32_t> token(0, static_cast<std::int32_t>(vocabulary) - 1);
  std::vector<std::int32_t>& tokens = leaves.indices["tokens"];
  for (std::int64_t i = 0; i < batch * positions; ++i) tokens.push_back(token(random));
  leaves.indices["target"].assign(static_cast<std::size_t>(batch * positions), 0);
  leaves.values["weight"].assign(static_cast<std::size_t>(batch * positions), 0);
  leaves.indices["asked"] = asked;
  leaves.indices["answer"] = answer;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto at = (i / questions) * positions + static_cast<std::size_t>(asked[i]);
    leaves.values["weight"][at] = 1;
    leaves.indices["target"][at] = answer[i];
    leaves.indices["asked_token"].push_back(tokens[at]);
  }
  return leaves;
}

void check_same(const titans::ModelConfig& model, std::int64_t vocabulary) {
  Recorded plain, asked_only;
  record_everywhere(plain, model, vocabulary);
  asked_only.loss = titans::record(asked_only.graph, asked_only.params, model, vocabulary, positions, batch,
                                   Purpose::train, questions);
  REQUIRE(asked_only.graph.tapped("logits").shape() == Shape{batch, questions, vocabulary});
  const Leaves<double> leaves = leaves_of(plain.params, vocabulary);
  const auto expected = plain.loss_and_gradients(leaves);
  REQUIRE(asked_only.params.specs().size() == plain.params.specs().size());
  // In the order of the other's parameters, which is that of recording.
  const auto found = asked_only.loss_and_gradients(leaves);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::string& name = i == 0 ? "loss" : plain.params.specs()[i - 1].name;
    INFO(name_of(model) << ", " << vocabulary << " tokens, " << name);
    if (i > 0) REQUIRE(asked_only.params.specs()[i - 1].name == name);
    double scale = 0;
    for (double x : expected[i]) scale = std::max(scale, std::abs(x));
    REQUIRE(scale > 1e-9);
    for (std::size_t j = 0; j < expected[i].size(); ++j)
      REQUIRE(std::abs(found[i][j] - expected[i][j]) <= 1e-9 * scale);
  }
}

}  // namespace

TEST_CASE("titans: loss and gradients of the asked positions alone are those of all, with a table of tokens or not") {
  for (titans::ModelConfig model : all_titans()) {
    check_same(model, 5);   // fewer tokens than the batch has positions: their table is what is computed
    check_same(model, 40);  // more
    model.n_layers = 1;
    check_same(model, 5);
    model.mixer.chunk = 2;  // fewer than the questions: a memory is read everywhere, and the answers are chosen
    check_same(model, 5);
  }
}

TEST_CASE("titans: a memory that another sequence is asked gets the question of the right position") {
  titans::ModelConfig model = small_titan();
  model.mixer.intervention = "swap";
  check_same(model, 5);
}

TEST_CASE("titans: questions of a memory that are not where they should be are refused") {
  Graph graph;
  const Var k = graph.input("k", {2, 6, 3}), gate = graph.input("gate", {2, 6}), M = graph.input("M", {2, 3, 3});
  titans::MemoryInputs in{.q = graph.input("q", {2, 1, 3}), .k = k, .v = k, .theta = gate, .eta = gate, .alpha = gate};
  const titans::MemoryState state{.M = {M}, .S = {M}};
  CHECK_THROWS_WITH(titans::memory_chunked(in, state, {M}, {}),
                    "memory: q, k, v differ in shape: [2, 1, 3], [2, 6, 3], [2, 6, 3]");
  in.asked = graph.input("asked", {2, 1, 5});
  CHECK_THROWS_WITH(titans::memory_chunked(in, state, {M}, {}), "memory: asked must be [2, 1, 6], got [2, 1, 5]");
  in.asked = graph.input("asked_at", {2, 1, 6});
  CHECK(titans::memory_chunked(in, state, {M}, {}).out.shape() == Shape{2, 1, 3});
  CHECK_THROWS_WITH(titans::memory_sequential(in, state, {M}, {}),
                    "memory: only memory_chunked is asked at some positions alone");
}
