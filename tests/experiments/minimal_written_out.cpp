#include "experiments/icl_classification/minimal_model.h"
#include "experiments/reduced_models.h"

using namespace saltus;
using namespace saltus::tests;
using icl_classification::MinimalConfig;

namespace {

struct Strengths {
  Dual previous_token, match, labels;  // beta_1, alpha, beta_2
};

Dual dot(const std::vector<double>& a, const std::vector<Dual>& b) {
  Dual total;
  for (std::size_t m = 0; m < a.size(); ++m) total = total + Dual(a[m]) * b[m];
  return total;
}

/// sum_j weight_j x_j over sum_j weight_j
template <class Vector>
std::vector<Dual> mixture(const std::vector<Dual>& weight, const std::vector<Vector>& x) {
  std::vector<Dual> out(x[0].size());
  Dual total;
  for (const Dual& w : weight) total = total + w;
  for (std::size_t j = 0; j < weight.size(); ++j) {
    for (std::size_t m = 0; m < out.size(); ++m) out[m] = out[m] + weight[j] / total * Dual(x[j][m]);
  }
  return out;
}

/// The minimal model's logits for sequence s, as its equations stand: buffers b_i, then the target's attention to them.
std::vector<Dual> logits(const Reduced& model, const Strengths& strength, int s, bool pair = true) {
  const std::vector<std::vector<double>> c = model.contents(s);
  const std::size_t n = c.size() - 1;
  std::vector<std::vector<Dual>> b;
  for (std::size_t i = 0; i <= n; ++i) {
    std::vector<Dual> weight;
    for (std::size_t j = 0; j <= i; ++j) weight.push_back(exp(strength.previous_token * Dual(j + 1 == i)));
    b.push_back(mixture(weight, c));
  }
  std::vector<Dual> weight;
  for (std::size_t j = 0; j <= n; ++j) {
    const Dual is_label((n - j) % 2 == 1);
    weight.push_back(exp(strength.match * dot(c[n], b[j]) + strength.labels * is_label));
  }
  const std::vector<Dual> o = mixture(weight, c);
  std::vector<Dual> input(c[n].begin(), c[n].end());
  for (std::size_t m = 0; m < o.size(); ++m) {
    if (pair) input.push_back(o[m]);
    if (!pair) input[m] = input[m] + o[m];
  }
  return model.classify(input);
}

/// Mean of -ln softmax(logits)[label] over the batch.
Dual loss(const Reduced& model, const Strengths& strength) {
  Dual total;
  for (int s = 0; s < model.sequences.size; ++s) {
    const std::vector<Dual> row = logits(model, strength, s);
    Dual sum;
    for (const Dual& l : row) sum = sum + exp(l);
    total = total + log(sum) - row[static_cast<std::size_t>(model.sequences.asked(s))];
  }
  return total / Dual(model.sequences.size);
}

MinimalConfig started(double previous_token, double match, double labels) {
  MinimalConfig model;
  model.classifier_width = 8;
  model.previous_token.start = previous_token;
  model.match.start = match;
  model.labels.start = labels;
  return model;
}

Reduced::Record recorder(const MinimalConfig& model, Purpose purpose = Purpose::train) {
  return [=](Graph& graph, ParamStore& params, const IclClassificationConfig& task, int batch) {
    return icl_classification::record_minimal(graph, params, task, model, batch, purpose);
  };
}

// Numbers that float holds exactly, so that double is compared with double.
constexpr double previous_token = 0.75, match = 1.5, labels = -0.375;

}  // namespace

TEST_CASE("the minimal model computes its equations, with the pair or the sum for the classifier") {
  for (const bool pair : {true, false}) {
    for (const Purpose purpose : {Purpose::train, Purpose::measure}) {
      MinimalConfig config = started(previous_token, match, labels);
      config.classifier_input = pair ? "pair" : "sum";
      const Reduced model({}, 3, recorder(config, purpose));
      const std::vector<double> all = model.tap("logits");
      for (int s = 0; s < 3; ++s) {
        const std::vector<Dual> expected = logits(model, {previous_token, match, labels}, s, pair);
        REQUIRE(expected.size() == 32);
        for (std::size_t l = 0; l < 32; ++l) {
          CHECK(all[static_cast<std::size_t>(s) * 32 + l] == Approx(expected[l].value).epsilon(1e-11).margin(1e-12));
        }
      }
    }
  }
}

TEST_CASE("the minimal model's loss has the slopes of its equations in all three strengths") {
  Reduced model({}, 5, recorder(started(previous_token, match, labels)));
  CHECK(value(model.graph, model.loss, model.leaves)[0] ==
        Approx(loss(model, {previous_token, match, labels}).value).epsilon(1e-12));
  CHECK(model.slope("previous_token_strength") ==
        Approx(loss(model, {{previous_token, 1}, match, labels}).slope).epsilon(1e-10));
  CHECK(model.slope("match_strength") ==
        Approx(loss(model, {previous_token, {match, 1}, labels}).slope).epsilon(1e-10));
  CHECK(model.slope("label_strength") ==
        Approx(loss(model, {previous_token, match, {labels, 1}}).slope).epsilon(1e-10));
}

TEST_CASE("the minimal model's gradients agree with finite differences in every parameter") {
  for (const Purpose purpose : {Purpose::train, Purpose::measure}) {
    Reduced model(reduced_task(), 3, recorder(started(previous_token, match, labels), purpose));
    const std::vector<Var> parameters = model.parameters();
    REQUIRE(parameters.size() == 10);
    check_gradients(model.graph, model.loss, parameters, model.leaves);
  }
}

TEST_CASE("at the start alpha learns, beta_1 cannot: the previous token matters to a match only") {
  Reduced model({}, 5, recorder(started(0, 0, 0)));
  CHECK(model.slope("previous_token_strength") == 0);
  CHECK(std::abs(model.slope("match_strength")) > 1e-4);
}

TEST_CASE("with scale s a strength is s times what is stored, and its gradient too") {
  MinimalConfig scaled = started(previous_token, match, labels);
  scaled.scalar_scale = 0.5;
  Reduced plain({}, 4, recorder(started(previous_token, match, labels))), half({}, 4, recorder(scaled));
  CHECK(half.params.view("match_strength")[0] == static_cast<float>(2 * match));
  CHECK(half.tap("match_strength")[0] == match);
  CHECK(half.tap("logits") == plain.tap("logits"));
  CHECK(half.slope("match_strength") == Approx(0.5 * plain.slope("match_strength")).epsilon(1e-12));
}

TEST_CASE("a strength that is held is no parameter, and the rest learns as if it were one") {
  MinimalConfig two = started(previous_token, match, labels);
  two.labels.train = false;
  Reduced three({}, 4, recorder(started(previous_token, match, labels))), held({}, 4, recorder(two));
  CHECK(three.params.count() == 126 * 8 + 2 * 8 * 8 + 3 + 8 * 32 + 3);
  CHECK(held.params.count() == three.params.count() - 1);
  CHECK(held.tap("label_strength")[0] == labels);
  CHECK(held.tap("logits") == three.tap("logits"));
  CHECK(held.slope("match_strength") == three.slope("match_strength"));
}
