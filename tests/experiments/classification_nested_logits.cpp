#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "autodiff/grad.h"
#include "experiments/icl_classification/phenomenology/nested_logits.h"
#include "graph/eager.h"
#include "ops/ops.h"

using namespace saltus;
using namespace saltus::icl_classification;

namespace {

/// The loss as the header writes it, recorded in a graph of the scalars xi, alpha and beta_1.
struct RecordedLoss {
  Graph graph;
  Var xi = graph.input("xi", {}), alpha = graph.input("alpha", {}), beta_1 = graph.input("beta_1", {});  // []
  Var loss;                                                                                              // []

  explicit RecordedLoss(const NestedLogits& model) {
    const auto n = static_cast<double>(model.n_pairs), l = static_cast<double>(model.n_labels);
    const auto attention = [this](double competitors) { return exp(beta_1) / (exp(beta_1) + competitors); };  // []
    Var p = attention(model.per_position ? 1 : model.competing_tokens.value_or(n));                           // []
    if (model.per_position) {
      for (std::int64_t k = 2; k <= model.n_pairs; ++k) p = p + attention(static_cast<double>(2 * k - 1));
      p = 1 / n * p;
    }
    const Var score = exp(alpha * p);                                     // []
    const Var sum = score + (n - 1 + (n + 1) * model.item_weight);        // []
    const Var right = score / sum, wrong = exp(-1 * log(sum));            // []
    const Var z = exp(xi * right) + (n - 1) * exp(xi * wrong) + (l - n);  // []
    loss = log(z) - xi * right;
  }

  Leaves<double> leaves(const Logits& at) const {
    return {{{"xi", {at[0]}}, {"alpha", {at[1]}}, {"beta_1", {at[2]}}}, {}};
  }
  double value(const Logits& at) const { return evaluate<double>(graph, std::span(&loss, 1), leaves(at))[0][0]; }
  Logits gradient(const Logits& at) {
    const auto d = evaluate<double>(graph, grad(loss, std::vector<Var>{xi, alpha, beta_1}), leaves(at));
    return {d[0][0], d[1][0], d[2][0]};
  }
};

const NestedLogits variants[] = {{},
                                 {.n_pairs = 8, .n_labels = 8},
                                 {.n_pairs = 2, .n_labels = 3},
                                 {.n_pairs = 8, .n_labels = 32, .competing_tokens = 5.5},
                                 {.n_pairs = 6, .n_labels = 7, .per_position = true},
                                 {.n_pairs = 8, .n_labels = 32, .item_weight = 1},
                                 {.n_pairs = 8, .n_labels = 8, .item_weight = 0.3}};

}  // namespace

TEST_CASE("the loss of nested logits and its gradient are the engine's, over the formula recorded in double") {
  std::mt19937 random(1);
  std::normal_distribution<double> normal(0, 3);
  for (const NestedLogits& model : variants) {
    RecordedLoss recorded(model);
    for (int i = 0; i < 20; ++i) {
      const Logits at{normal(random), normal(random), normal(random)};
      INFO("N = " << model.n_pairs << ", L = " << model.n_labels << ", at " << at.transpose());
      REQUIRE(loss(model, at) == Approx(recorded.value(at)).epsilon(1e-12));
      const Logits expected = recorded.gradient(at), ours = gradient(model, at);
      REQUIRE((ours - expected).norm() <= 1e-12 + 1e-10 * expected.norm());
    }
  }
}

TEST_CASE("the gradient of nested logits is the slope of their loss") {
  const double h = 1e-5;
  for (const NestedLogits& model : variants) {
    for (const Logits& at : {Logits{1, 2, 0.5}, Logits{-2, 1, -1}, Logits{3, -4, 2}, Logits{20, 30, 4}}) {
      for (Eigen::Index i = 0; i < 3; ++i) {
        const Logits step = h * Logits::Unit(i);
        const double slope = (loss(model, at + step) - loss(model, at - step)) / (2 * h);
        CHECK(gradient(model, at)[i] == Approx(slope).epsilon(1e-6).margin(1e-9));
      }
    }
  }
}

TEST_CASE("with more labels than pairs the origin slopes in xi alone; with as many nothing moves there at all") {
  const NestedLogits more;
  CHECK(loss(more, Logits::Zero()) == Approx(std::log(32)));
  CHECK(gradient(more, Logits::Zero())[at_xi] == Approx(-24.0 / (8 * 32)));  // (L - N) / (N L)
  CHECK(gradient(more, Logits::Zero()).tail<2>().isZero(0));
  for (const NestedLogits& model : variants) {
    if (model.n_labels == model.n_pairs) CHECK(gradient(model, Logits::Zero()).isZero(0));  // not by rounding
  }
}

TEST_CASE("while attention is even, xi climbs by the share of the labels outside, and alpha by xi") {
  const NestedLogits model;  // N = 8, L = 32
  for (const double xi : {0.0, 1.0, 5.0, 20.0}) {
    const Logits descent = -gradient(model, {xi, 0, 0});
    CHECK(descent[at_xi] == Approx(1.0 / 8 * 24 / (8 * std::exp(xi / 8) + 24)));
    CHECK(descent[at_alpha] == Approx(xi * (1.0 / 9) * 7 / 64));  // xi p (N - 1) / N^2
    CHECK(descent[at_beta_1] == 0);
  }
}

TEST_CASE("nested logits far out stay numbers") {
  for (const NestedLogits& model : variants) {
    for (const double xi : {-1e5, 0.0, 1e5}) {
      for (const double alpha : {-1e4, 0.0, 1e4}) {
        for (const double beta_1 : {-1e3, 0.0, 1e3}) {
          INFO("at (" << xi << ", " << alpha << ", " << beta_1 << ")");
          CHECK(std::isfinite(loss(model, {xi, alpha, beta_1})));
          CHECK(loss(model, {xi, alpha, beta_1}) >= 0);
          CHECK(gradient(model, {xi, alpha, beta_1}).allFinite());
        }
      }
    }
  }
  CHECK(loss({}, {1e5, 1e4, 1e3}) == Approx(0).margin(1e-12));
  CHECK(loss({}, {60, 50, 40}) == Approx(31 * std::exp(-60)).epsilon(1e-9));  // far below a rounding error of 1
}

TEST_CASE("measures of even attention are those of the paper's sequences of 8 pairs and 32 labels") {
  const NestedLogits labels_alone, everything{.n_pairs = 8, .n_labels = 32, .per_position = true, .item_weight = 1};
  const NestedMeasures even = measures(everything, Logits::Zero());
  CHECK(even.right_label == Approx(1.0 / 32));
  CHECK(even.context_label == Approx(8.0 / 32));
  CHECK(even.item_label == Approx(0.170).margin(5e-4));  // (1/8) sum of 1 / 2k
  CHECK(even.target_item_label == Approx(1.0 / 17));
  CHECK(even.target_labels == Approx(8.0 / 17));
  CHECK(measures(labels_alone, Logits::Zero()).target_labels == Approx(1));
  const NestedMeasures learned = measures(labels_alone, {50, 20, 10});
  CHECK(learned.right_label > 0.999);
  CHECK(learned.target_item_label > 0.999);
  CHECK(learned.item_label > 0.999);
  CHECK(measures(labels_alone, {1, 2, 3}).right_label == Approx(std::exp(-loss(labels_alone, {1, 2, 3}))));
}
