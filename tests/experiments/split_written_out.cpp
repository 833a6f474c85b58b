#include "experiments/icl_classification/split_model.h"
#include "experiments/reduced_models.h"

using namespace saltus;
using namespace saltus::tests;
using icl_classification::SplitConfig;

namespace {

IclClassificationConfig binary() {
  IclClassificationConfig task = reduced_task();
  task.n_labels = 2;
  task.distinct_labels = false;
  task.n_pairs = task.max_pairs = 4;
  return task;
}

constexpr double beta = 1.25, w = 0.75;

SplitConfig started(const std::string& parts = "both") {
  SplitConfig model;
  model.classifier_width = 8;
  model.parts = parts;
  model.content_match.start = beta;
  model.copy.start = w;
  return model;
}

Reduced::Record recorder(const SplitConfig& model) {
  return [=](Graph& graph, ParamStore& params, const IclClassificationConfig& task, int batch) {
    return icl_classification::record_split(graph, params, task, model, batch);
  };
}

/// The part in context: w sum_j p_j l_j of sequence s, p_j ~ exp(beta x_t . x_j).
Dual in_context(const Reduced& model, Dual content_match, Dual copy, int s) {
  const std::vector<std::vector<double>> c = model.contents(s);
  Dual total, labels;
  for (std::size_t j = 0; j + 1 < c.size(); j += 2) {
    double product = 0;
    for (std::size_t m = 0; m < c[j].size(); ++m) product += c.back()[m] * c[j][m];
    const Dual weight = exp(content_match * Dual(product));
    total = total + weight;
    labels = labels + weight * Dual(model.sequences.labels_of(s)[j / 2] == 1 ? 1 : -1);
  }
  return copy * labels / total;
}

/// The part in weights: the MLP of the target.
double in_weights(const Reduced& model, int s) { return model.classify(model.contents(s).back())[0]; }

/// ln(1 + exp(-l z)), the mean over the batch.
Dual loss(const Reduced& model, Dual content_match, Dual copy) {
  Dual total;
  for (int s = 0; s < model.sequences.size; ++s) {
    const Dual z = in_context(model, content_match, copy, s) + Dual(in_weights(model, s));
    total = total + log(Dual(1) + exp(Dual(model.sequences.asked(s) == 1 ? -1 : 1) * z));
  }
  return total / Dual(model.sequences.size);
}

}  // namespace

TEST_CASE("the split model computes its equations: a part in context, a part in weights, and their sum") {
  const Reduced model(binary(), 6, recorder(started()));
  const std::vector<double> z_c = model.tap("in_context_logit"), z_w = model.tap("in_weights_logit"),
                            logits = model.tap("logits");
  for (int s = 0; s < 6; ++s) {
    const auto at = static_cast<std::size_t>(s);
    CHECK(z_c[at] == Approx(in_context(model, beta, w, s).value).epsilon(1e-12));
    CHECK(z_w[at] == Approx(in_weights(model, s)).epsilon(1e-12));
    CHECK(logits[2 * at + 1] - logits[2 * at] == Approx(z_c[at] + z_w[at]).epsilon(1e-12));
  }
  CHECK(value(model.graph, model.loss, model.leaves)[0] == Approx(loss(model, beta, w).value).epsilon(1e-12));
}

TEST_CASE("the split model's loss has the slopes of its equations in beta and w, and finite differences agree in all") {
  Reduced model(binary(), 6, recorder(started()));
  CHECK(model.slope("content_match") == Approx(loss(model, {beta, 1}, w).slope).epsilon(1e-10));
  CHECK(model.slope("copy_weight") == Approx(loss(model, beta, {w, 1}).slope).epsilon(1e-10));
  const std::vector<Var> parameters = model.parameters();
  REQUIRE(parameters.size() == 9);
  check_gradients(model.graph, model.loss, parameters, model.leaves);
}

TEST_CASE("each part of the split model can be left out, and is then 0") {
  const Reduced both(binary(), 6, recorder(started())), context(binary(), 6, recorder(started("in_context"))),
      weights(binary(), 6, recorder(started("in_weights")));
  const std::vector<double> none(6);
  CHECK(context.tap("in_context_logit") == both.tap("in_context_logit"));
  CHECK(context.tap("in_weights_logit") == none);
  CHECK(context.params.count() == 2);
  CHECK(weights.tap("in_context_logit") == none);
  CHECK(weights.params.count() == both.params.count() - 2);
}

TEST_CASE("the split model's measures: losses and accuracies of the whole and of each part, and where it looks") {
  const icl_classification::SplitProbe probe(binary(), true);
  // Two samples with labels 1 and 0. The part in context is right about both, the MLP about the second only and by
  // less.
  const float in_context[] = {2, -1}, in_weights[] = {-3, -0.5},
              pattern[] = {0.1f, 0.2f, 0.3f, 0.4f, 0.25f, 0.25f, 0.25f, 0.25f};
  std::int32_t label[] = {1, 0}, match[] = {0, 1, 0, 1, 1, 0, 0, 0};
  const Shape column = {2, 1}, pairs = {2, 4};
  std::vector<double> sums(probe.measures().size());
  probe.accumulate(
      {2, {nullptr, label, nullptr, match}},
      [&](const std::string& name) -> TapValue {
        if (name == "pattern") return {pattern, pairs};
        return {name == "in_context_logit" ? in_context : in_weights, column};
      },
      sums);
  const auto softplus = [](double x) { return std::log(1 + std::exp(x)); };
  const std::vector<double> expected = {softplus(1) + softplus(-1.5),
                                        1,
                                        softplus(-2) + softplus(-1),
                                        2,
                                        softplus(3) + softplus(-0.5),
                                        1,
                                        0.2 + 0.4 + 0.25};
  REQUIRE(sums.size() == expected.size());
  for (std::size_t i = 0; i < sums.size(); ++i) {
    INFO(probe.measures()[i].name);
    CHECK(sums[i] == Approx(expected[i]).epsilon(1e-6));
  }
}
