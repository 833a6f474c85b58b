#include <catch2/catch.hpp>

#include "experiments/icl_regression/errors.h"
#include "experiments/icl_regression/multi_task_measures.h"
#include "regression_circuits.h"

using namespace saltus;
using namespace saltus::icl_regression;
using namespace saltus::tests;

namespace {

using Numbers = std::vector<double>;

/// The probe's measures with the answers that softmax attention gives, computed in loops.
Measured after_attention(const Probe& probe, const Circuits& heads, PlantedBatch& samples) {
  for (int b = 0; b < samples.size; ++b) {
    const Numbers answers = samples.attend(heads, b);
    for (std::size_t n = 0; n < answers.size(); ++n) {
      samples.prediction[static_cast<std::size_t>(b) * answers.size() + n] = static_cast<float>(answers[n]);
    }
  }
  return {probe, heads, samples};
}

/// Root mean square distance of softmax heads from debiased gradient descent, with omega = gamma x and mu = m / gamma.
double distance(const std::string& measure, double gamma, const Numbers& x, const Numbers& m) {
  const LinearRegressionConfig task;
  PlantedBatch samples(task, 200);
  Numbers omegas, mus;
  for (std::size_t h = 0; h < x.size(); ++h) {
    omegas.push_back(gamma * x[h]);
    mus.push_back(m[h] / gamma);
  }
  const CircuitProbe probe(task, static_cast<std::int64_t>(x.size()));
  return std::sqrt(after_attention(probe, heads_of(omegas, mus), samples)[measure]);
}

}  // namespace

TEST_CASE("context_gradient: correlations of labels and covariates, centred or not") {
  const std::vector<float> tokens = {1, 3,  9,   // x_1 of two positions and the query
                                     2, 0,  9,   // x_2
                                     4, 2,  0,   // y_1
                                     1, -1, 0};  // y_2
  CHECK(context_gradient(tokens.data(), 2, 2, 2, false) == Numbers{5, 4, -1, 1});
  CHECK(context_gradient(tokens.data(), 2, 2, 2, true) == Numbers{-1, 1, -1, 1});
}

TEST_CASE("a descent multiplies each label's gradient by its matrix: keys by rows, the query by columns") {
  Descent descent(2, 2);
  const auto set = [&](int task, int label, const Numbers& w) {
    std::copy(w.begin(), w.end(), descent.block(task, label).begin());
  };
  set(0, 0, {1, 2, 0, 3});
  set(1, 1, {0.5, 0, 0, 0.5});
  set(1, 0, {0, 1, 0, 0});  // the second answer draws on the first task's labels
  CHECK(descent.predict(Numbers{1, 10, 2, 4}, Numbers{5, 7}) ==
        Numbers{1 * (5 + 14) + 10 * 21, 0.5 * 10 + 0.5 * 28 + 1 * 7});
}

TEST_CASE("heads to first order: the sum of mu M, scaled by the slope; the nearest multiple of a direction") {
  Planted heads = heads_of({0.2, -0.1}, {3, -2}, 2);
  heads.kq_of(1, 0, 1) = 0.5;
  CHECK_THAT(linearised(heads, 0.5).weights, Catch::Matchers::Approx(Numbers{0.4, -0.5, 0, 0.4}));
  CHECK(closest_multiple(Numbers{0.8, -1, 0, 0.8}, Numbers{2, 0, 0, 2}) == Approx(0.4));
  CHECK(closest_multiple(Numbers{1, 1}, Numbers{0, 0}) == 0);
}

TEST_CASE("a homogeneous pair approaches DGD(2 gamma mu) with the square of gamma: even orders cancel") {
  for (const char* measure : {"distance_to_dgd", "distance_to_own_dgd"}) {
    const double coarse = distance(measure, 0.04, {1, -1}, {0.45, -0.45}),
                 fine = distance(measure, 0.02, {1, -1}, {0.45, -0.45});
    CHECK(coarse < 0.02);
    CHECK(coarse / fine == Approx(4).epsilon(0.03));
  }
}

TEST_CASE("heads of unequal omega approach it with gamma, and without a zero sum they do not approach it at all") {
  const double coarse = distance("distance_to_dgd", 0.02, {1, -2}, {0.3, -0.3}),
               fine = distance("distance_to_dgd", 0.01, {1, -2}, {0.3, -0.3});
  CHECK(coarse / fine == Approx(2).epsilon(0.05));
  CHECK(distance("distance_to_dgd", 0.01, {1, -1}, {0.45, -0.4}) > 10 * fine);
}

TEST_CASE("distance_to_dgd is from the descent along Omega*, distance_to_own_dgd from the heads' own") {
  const LinearRegressionConfig task;
  PlantedBatch samples(task, 200);
  Planted heads = heads_of({0.01, -0.01}, {45, -45});
  heads.kq_of(0, 0, 1) = 0.01;  // a preconditioner that is no multiple of the identity
  heads.kq_of(1, 0, 1) = -0.01;
  const Measured m = after_attention(CircuitProbe(task, 2), heads, samples);
  CHECK(m["distance_to_own_dgd"] < 1e-5);
  CHECK(m["distance_to_dgd"] > 1e-3);
  Numbers along(25, 0);  // told of that direction, theory has it too
  for (std::size_t i = 0; i < 5; ++i) along[6 * i] = 2;
  along[1] = 2;
  CHECK(after_attention(CircuitProbe(task, 2, {}, along), heads, samples)["distance_to_dgd"] < 1e-5);
}

TEST_CASE("linear attention is gradient descent without centring, exactly") {
  const LinearRegressionConfig task;
  PlantedBatch samples(task, 20);
  const Planted head = heads_of({0.5}, {1.7});
  for (int b = 0; b < samples.size; ++b) {
    const Numbers gradient = context_gradient(samples.tokens.data() + b * 6 * 41, 5, 1, 40, false);
    for (int j = 0; j < 5; ++j)
      samples.prediction[static_cast<std::size_t>(b)] +=
          static_cast<float>(0.85 * gradient[static_cast<std::size_t>(j)] * samples.token(b, j, 40));
  }
  const Measured m(CircuitProbe(task, 1, {.centred = false}), head, samples);
  CHECK(m["distance_to_gd"] < 1e-12);
  CHECK(m["distance_to_own_gd"] < 1e-12);
  CHECK_FALSE(m.has("distance_to_dgd"));
  CHECK(Measured(CircuitProbe(task, 1), head, samples)["distance_to_dgd"] > 1e-4);
}

TEST_CASE("prediction_power is the mean square of the answers") {
  const LinearRegressionConfig task;
  PlantedBatch samples(task, 2);
  samples.prediction = {3, -1};
  const Measured m(CircuitProbe(task, 1), Planted(1, 5, 1), samples);
  CHECK(m["prediction_power"] == 5);
  CHECK(m["distance_to_dgd"] == 5);  // heads of zero: the descent answers 0
}

TEST_CASE("two tasks: three heads in superposition answer as two descents, a shared pair does not") {
  const LinearRegressionConfig task = two_tasks();
  PlantedBatch samples(task, 100);
  const double m = 100, u = 0.9 / (3 * m);
  Planted heads(3, 6, 2);
  heads.set(0, {2 * u, 2 * u, u, u, -u, -u}, {m, 0});
  heads.set(1, {-u, -u, -2 * u, -2 * u, -u, -u}, {-m, -m / 2});  // half the rate for the second task
  heads.set(2, {-u, -u, u, u, 2 * u, 2 * u}, {0, m / 2});
  const Measured apart = after_attention(MultiTaskProbe(task, 3), heads, samples);
  CHECK(apart["distance_to_dgd"] < 1e-4);
  CHECK(apart["prediction_power"] > 0.01);
  Planted pair(2, 6, 2);
  pair.set(0, Numbers(6, 0.005), {90, 90});
  pair.set(1, Numbers(6, -0.005), {-90, -90});
  const Measured shared = after_attention(MultiTaskProbe(task, 2), pair, samples);
  CHECK(shared["distance_to_own_dgd"] < 1e-4);
  CHECK(shared["distance_to_dgd"] > 0.01);
}

TEST_CASE("two tasks: an answer that draws on the other task's labels is a descent of its own, not N separate ones") {
  const LinearRegressionConfig task = two_tasks();
  PlantedBatch samples(task, 100);
  Planted heads(2, 6, 2);
  for (const int h : {0, 1}) {
    const double sign = h == 0 ? 1 : -1;
    heads.set(h, Numbers(6, sign * 0.005), {sign * 90, sign * 90});
    heads.ov_of(h, 0, 7) = sign * 40;  // answer 0 from label 1
  }
  const Measured m = after_attention(MultiTaskProbe(task, 2), heads, samples);
  CHECK(m["distance_to_own_dgd"] < 1e-4);
  CHECK(m["distance_to_dgd"] > 0.01);
  const Numbers w = m.all("label_weights");  // [task, label, input]
  CHECK(w[0] == Approx(0.9));
  CHECK(w[6] == Approx(0.4));
  CHECK(w[12] == Approx(0).margin(1e-9));
  CHECK(w[18] == Approx(0.9));
  CHECK(m["cross_label_share"] == Approx(std::sqrt(0.16 / (0.81 + 0.81 + 0.16))));
}

TEST_CASE("loss counts the target's noise and excess does not; both are means over samples and outputs") {
  LinearRegressionConfig task = two_tasks();
  task.n_context = 1;
  PlantedBatch samples(task, 1);
  for (std::int64_t j = 0; j < 6; ++j) samples.token(0, j, 1) = static_cast<float>(j);  // x_q
  samples.beta = {1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0.5f, 2};                               // beta . x_q = 2, 12
  samples.target = {2.5f, 12};
  samples.prediction = {3, 10};
  const Measured m(RegressionProbe(task), Planted(1, 6, 2), samples);
  CHECK(m["loss"] == Approx((0.25 + 4) / 2));
  CHECK(m["excess"] == Approx((1.0 + 4) / 2));
}

TEST_CASE("pointwise_loss compares the answer after l pairs with the label of the next, the last with the target") {
  LinearRegressionConfig task;
  task.input_dim = 2;
  task.n_context = 2;
  PlantedBatch samples(task, 2);
  samples.token(0, 2, 0) = 1;  // y_1, y_2 and y_q of the first sample, then of the second
  samples.token(0, 2, 1) = 2;
  samples.token(1, 2, 0) = -1;
  samples.token(1, 2, 1) = 5;
  samples.target = {3, 7};
  const std::vector<float> answers = {0, 0, 0, 1, 5, 6};  // [batch, n_seen, task]
  const Shape shape = {2, 3, 1};
  Numbers sums(3, 0);
  const PointwiseProbe probe(task);
  CHECK(probe.taps() == std::vector<std::string>{"predictions"});
  CHECK(probe.measures().at(0).dims.at(0).length() == 3);
  probe.accumulate(
      samples.batch(),
      [&](const std::string&) {
        return TapValue{answers.data(), shape};
      },
      sums);
  CHECK(sums == Numbers{1 + 4, 4 + 0, 9 + 1});
}
