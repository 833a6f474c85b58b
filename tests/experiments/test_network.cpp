#include <algorithm>

#include "experiments/paper_network.h"
#include "graph/plan.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// Logits of every sequence and their mean cross-entropy, by the paper's equations.
struct Expected {
  std::vector<double> logits;
  double loss = 0;

  explicit Expected(const Network& n) {
    const PaperNetwork paper(n);
    for (int s = 0; s < n.sequences.size; ++s) {
      const std::vector<double> row = paper.logits(PaperNetwork::sequence(n, s));
      logits.insert(logits.end(), row.begin(), row.end());
      loss += cross_entropy(row, n.sequences.asked(s)) / n.sequences.size;
    }
  }
};

/// Makes the attention of a freshly drawn network less uniform, as training does.
void sharpen_attention(Network& n) {
  for (const char* name : {"blocks.0.attn.W_Q", "blocks.0.attn.W_K", "blocks.1.attn.W_Q", "blocks.1.attn.W_K"}) {
    std::vector<double>& w = n.leaves.values[name];
    for (double& x : w) x *= 2;  // exact, also in float
    std::copy(w.begin(), w.end(), n.params.view(name).begin());
  }
}

/// Logits and loss of the network compiled to a plan, with the fast float kernels: what training and evaluation run.
std::pair<std::vector<float>, float> run_plan(Network& n) {
  const std::vector<Plan::Output> outputs = {{n.graph.tapped("logits")}, {n.loss}};
  const Plan plan(n.graph, outputs, [&](const std::string& name, const Shape&) { return n.params.view(name).data(); });
  std::copy(n.sequences.tokens.begin(), n.sequences.tokens.end(), static_cast<float*>(plan.input("tokens")));
  std::copy(n.sequences.label.begin(), n.sequences.label.end(), static_cast<std::int32_t*>(plan.input("label")));
  std::copy(n.sequences.context_labels.begin(), n.sequences.context_labels.end(),
            static_cast<std::int32_t*>(plan.input("context_labels")));
  plan.run();
  const auto size = static_cast<std::size_t>(outputs[0].value.shape().size());
  return {{plan.output(0), plan.output(0) + size}, *plan.output(1)};
}

}  // namespace

TEST_CASE("the faithful network has the paper's 151,555 parameters, in the paper's shapes") {
  const Network n({}, {}, 1);
  CHECK(n.params.count() == 151555);
  CHECK(n.params.count() == 6 * 128 * 128 + 3 * (128 * 128 + 1) + 32 * 128);
  std::vector<std::string> names;
  for (const ParamSpec& s : n.params.specs()) names.push_back(s.name + " " + s.shape.str());
  CHECK(names == std::vector<std::string>{"blocks.0.attn.W_Q [1, 128, 128]", "blocks.0.attn.W_K [1, 128, 128]",
                                          "blocks.0.attn.W_V [1, 128, 128]", "blocks.1.attn.W_Q [1, 128, 128]",
                                          "blocks.1.attn.W_K [1, 128, 128]", "blocks.1.attn.W_V [1, 128, 128]",
                                          "classifier.0.W [128, 128]", "classifier.0.b [1]",
                                          "classifier.1.W [128, 128]", "classifier.1.b [1]",
                                          "classifier.2.W [128, 128]", "classifier.2.b [1]", "unembed.W_U [128, 32]"});
}

TEST_CASE("the faithful network computes the paper's equations, in double to 1e-12 and in float to 1e-5") {
  for (Purpose purpose : {Purpose::train, Purpose::measure}) {
    Network n({}, {}, 6, purpose);
    sharpen_attention(n);
    const Expected expected(n);
    CHECK(relative_difference(n.logits(), expected.logits) < 1e-12);
    CHECK(value(n.graph, n.loss, n.leaves)[0] == Approx(expected.loss).epsilon(1e-12));
    const auto [logits, loss] = run_plan(n);
    CHECK(relative_difference(logits, expected.logits) < 1e-5);
    CHECK(loss == Approx(expected.loss).epsilon(1e-5));
  }
}

TEST_CASE("the gradient of every parameter agrees with finite differences") {
  for (Purpose purpose : {Purpose::train, Purpose::measure}) {
    Network n(small_task(), small_model(), 3, purpose);
    n.randomise(21);
    const std::vector<Var> parameters = n.parameters();
    REQUIRE(parameters.size() == 13);
    check_gradients(n.graph, n.loss, parameters, n.leaves);
  }
}

TEST_CASE("training and measuring record the same function with the same gradients") {
  Network train({}, {}, 3, Purpose::train), measure({}, {}, 3, Purpose::measure);
  CHECK(relative_difference(train.logits(), measure.logits()) < 1e-13);
  const auto a = evaluate<double>(train.graph, grad(train.loss, train.parameters()), train.leaves);
  const auto b = evaluate<double>(measure.graph, grad(measure.loss, measure.parameters()), measure.leaves);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO(train.params.specs()[i].name);
    CHECK(relative_difference(a[i], b[i]) < 1e-12);
  }
}

TEST_CASE("for training the last layer is computed at the last token only, for measuring at all of them") {
  const Network train({}, {}, 2, Purpose::train), measure({}, {}, 2, Purpose::measure);
  CHECK(train.graph.tapped("blocks.0.attn.pattern").shape() == Shape{1, 2, 17, 17});
  CHECK(train.graph.tapped("blocks.0.resid_post").shape() == Shape{2, 17, 128});
  CHECK(train.graph.tapped("blocks.1.attn.pattern").shape() == Shape{1, 2, 1, 17});
  CHECK(train.graph.tapped("blocks.1.resid_post").shape() == Shape{2, 1, 128});
  CHECK(measure.graph.tapped("blocks.1.attn.pattern").shape() == Shape{1, 2, 17, 17});
  CHECK(measure.graph.tapped("blocks.1.resid_post").shape() == Shape{2, 17, 128});
  CHECK(train.graph.tapped("logits").shape() == Shape{2, 32});

  const std::vector<double> last = value(train.graph, train.graph.tapped("blocks.1.attn.pattern"), train.leaves);
  const std::vector<double> all = value(measure.graph, measure.graph.tapped("blocks.1.attn.pattern"), measure.leaves);
  for (std::size_t s = 0; s < 2; ++s) {
    for (std::size_t key = 0; key < 17; ++key)
      CHECK(last[s * 17 + key] == Approx(all[(s * 17 + 16) * 17 + key]).epsilon(1e-12));
  }
}

TEST_CASE("initial weights are normal with the paper's scales") {
  const double attention = 1 / std::sqrt(63.0), hidden = std::sqrt(2 / 128.0), read_out = 1 / std::sqrt(128.0);
  const Network n({}, {}, 1);
  for (const ParamSpec& s : n.params.specs()) {
    if (s.shape.size() == 1) continue;
    const double std = s.name.starts_with("blocks") ? attention : s.name.starts_with("classifier") ? hidden : read_out;
    double first = 0, second = 0;
    const auto count = static_cast<double>(s.shape.size());
    for (float x : n.params.view(s.name)) {
      first += x / std / count;
      second += (x / std) * (x / std) / count;
    }
    INFO(s.name);
    CHECK(std::abs(first) <
          4 * std::sqrt(1 / count));  // four standard errors of either moment: 2.5% in the second for the smallest
    CHECK(std::abs(second - 1) < 4 * std::sqrt(2 / count));
  }
}

TEST_CASE("initial scalar biases are normal with variance 1/d") {
  double first = 0, second = 0;
  const int seeds = 100, count = 3 * seeds;
  Network n({}, {}, 1);
  for (int seed = 0; seed < seeds; ++seed) {
    n.params.initialise(Rng(static_cast<std::uint64_t>(seed), Stream::init));
    for (const char* name : {"classifier.0.b", "classifier.1.b", "classifier.2.b"}) {
      const double z = n.params.view(name)[0] * std::sqrt(128.0);
      first += z / count;
      second += z * z / count;
    }
  }
  CHECK(std::abs(first) < 4 * std::sqrt(1.0 / count));
  CHECK(std::abs(second - 1) < 4 * std::sqrt(2.0 / count));
}

TEST_CASE("an untrained network guesses: its loss is about ln 32") {
  Network n({}, {}, 64);
  CHECK(run_plan(n).second == Approx(std::log(32.0)).margin(0.15));
}
