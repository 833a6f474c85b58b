#include <Eigen/Dense>
#include <atomic>
#include <catch2/catch.hpp>
#include <cmath>

#include "config/reader.h"
#include "core/check.h"
#include "experiments/icl_regression/random_features/ridge_solve.h"
#include "experiments/icl_regression/random_features/study.h"
#include "kernels/random.h"

namespace saltus::icl_regression {
namespace {

using Eigen::MatrixXd;

const Rng inputs(3, Stream::data), held_out(3, Stream::eval), init(3, Stream::init), task(3, Stream::task);

/// Standard normals, the same at every call.
MatrixXd normals(Eigen::Index rows, Eigen::Index columns) {
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  fill_normal(task, {.lane = 99}, values);
  return Eigen::Map<const Eigen::MatrixXf>(values.data(), rows, columns).cast<double>();
}

RandomFeatures layer(std::int64_t heads, std::uint32_t repetition = 0) {
  return {{.model = FeatureModel::brfa, .dim = 4, .n_keys = 3, .n_heads = heads}, init, repetition};
}

MatrixXd all(const RandomFeatures& features, const Sequences& s) {
  Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> out(s.samples, features.size());
  REQUIRE(features.parts() == 1);
  features.fill(s, 0, out.data(), features.size());
  return out.cast<double>();
}

/// The answers of a layer whose value vectors are drawn at random, scaled to variance 1.
MatrixXd taught(const RandomFeatures& teacher, const Sequences& s) {
  const MatrixXd y = all(teacher, s) * normals(teacher.size(), 1);
  return y / std::sqrt(y.squaredNorm() / static_cast<double>(y.size()));
}

}  // namespace

TEST_CASE("the dual and the primal form answer alike") {
  const Sequences train = draw_sequences(inputs, 0, 60, 3, 4), test = draw_sequences(held_out, 0, 20, 3, 4);
  const RandomFeatures features = layer(10);
  const MatrixXd targets = normals(60, 2);
  DualRidge dual(features, train, test);
  PrimalRidge primal(features, train, test);
  CHECK(dual.mean_square() == Approx(primal.mean_square()).epsilon(1e-5));
  for (const double lambda : {1.0, 0.01}) {
    dual.set_lambda(lambda);
    primal.set_lambda(lambda);
    for (const Eigen::Index n : {30, 60}) {  // fewer samples than features, and more
      const MatrixXd alpha = dual.fit(n, targets), v = primal.fit(n, targets);
      CHECK((dual.on_test(alpha) - primal.on_test(v)).norm() < 2e-4 * dual.on_test(alpha).norm());
    }
    const MatrixXd alpha = dual.fit(30, targets), v = primal.fit(30, targets);
    CHECK((dual.on_train(alpha, 30, 10) - primal.on_train(v, 30, 10)).norm() < 2e-4 * dual.on_test(alpha).norm());
  }
}

TEST_CASE("the leading block of one factor fits a shorter training set as a factor of its own does") {
  const Sequences longer = draw_sequences(inputs, 0, 300, 3, 4), test = draw_sequences(held_out, 0, 20, 3, 4);
  const Sequences shorter = draw_sequences(inputs, 0, 100, 3, 4);
  const RandomFeatures features = layer(12);
  const MatrixXd targets = normals(300, 2);
  DualRidge all_samples(features, longer, test), first_samples(features, shorter, test);
  all_samples.set_lambda(0.1);
  first_samples.set_lambda(0.1);
  const MatrixXd a = all_samples.on_test(all_samples.fit(100, targets)),
                 b = first_samples.on_test(first_samples.fit(100, targets));
  CHECK((a - b).norm() < 1e-5 * a.norm());
  CHECK_THROWS_WITH(all_samples.on_train(all_samples.fit(100, targets), 99, 5),
                    "sample 99 took part in the fit on 100 samples");
}

TEST_CASE("a fit is the ridge solution written out") {
  const Sequences train = draw_sequences(inputs, 0, 40, 3, 4), test = draw_sequences(held_out, 0, 15, 3, 4);
  const RandomFeatures features = layer(8);
  const MatrixXd phi = all(features, train), y = normals(40, 1);
  const double lambda = 0.3;
  const MatrixXd v = (phi.transpose() * phi + lambda * MatrixXd::Identity(40, 40)).ldlt().solve(phi.transpose() * y);
  DualRidge ridge(features, train, test);
  ridge.set_lambda(lambda);
  CHECK((ridge.on_test(ridge.fit(40, y)) - all(features, test) * v).norm() < 1e-4 * y.norm());
}

TEST_CASE("a layer learns what a layer with its own frozen weights teaches, down to the noise") {
  const Sequences train = draw_sequences(inputs, 0, 2000, 3, 4), test = draw_sequences(held_out, 0, 1000, 3, 4);
  const RandomFeatures student = layer(20);
  const std::vector<std::int64_t> n_train = {1000, 2000};
  const MatrixXd both = taught(student, [&] {
    Sequences joined = train;
    joined.samples += test.samples;
    joined.x.insert(joined.x.end(), test.x.begin(), test.x.end());
    return joined;
  }());
  const MatrixXd y = both.topRows(2000), y_test = both.bottomRows(1000);

  const RidgeRisks exact = ridge_risks(student, train, y, test, y_test, n_train, {.grid = {1e-7, 1e-3, 1}});
  CHECK(exact.test_risk(1, 0) < 1e-5);
  CHECK(exact.lambda(1, 0) == 1e-7);

  // Least squares with p features and noise of variance s^2 has a risk of about s^2 p / (n - p); ridge may do better.
  const MatrixXd noisy = y + 0.1 * normals(2000, 1);
  const RidgeRisks floor = ridge_risks(student, train, noisy, test, y_test, n_train, {.grid = {1e-7}});
  CHECK(floor.test_risk(0, 0) == Approx(0.01 * 100 / 900).epsilon(0.4));
  CHECK(floor.test_risk(1, 0) == Approx(0.01 * 100 / 1900).epsilon(0.4));

  const RidgeRisks other = ridge_risks(layer(20, 1), train, y, test, y_test, n_train, {.grid = {1e-7, 1e-3, 1}});
  CHECK(other.test_risk(1, 0) > 100 * exact.test_risk(1, 0));
}

TEST_CASE("with fewer samples than features the dual form recovers a teacher of few heads") {
  const Sequences train = draw_sequences(inputs, 0, 400, 3, 4), test = draw_sequences(held_out, 0, 400, 3, 4);
  const Directions directions = draw_directions(task, 0, 4);
  const Target target{TargetFamily::key_power, 1};  // linear in the keys' mean: in the class of every layer
  const RandomFeatures student = layer(200);
  REQUIRE(student.size() > train.samples);
  const RidgeRisks risks = ridge_risks(student, train, target_values(target, train, directions), test,
                                       target_values(target, test, directions), {100, 400}, {.grid = {1e-5, 1e-2, 1}});
  CHECK(risks.test_risk(1, 0) < 0.01);
  CHECK(risks.test_risk(1, 0) < risks.test_risk(0, 0));
}

TEST_CASE("pure noise makes the search take a heavy penalty, and training samples outside n do not matter") {
  const Sequences train = draw_sequences(inputs, 0, 400, 3, 4), test = draw_sequences(held_out, 0, 100, 3, 4);
  const RandomFeatures student = layer(200);
  MatrixXd noise = normals(400, 1);
  const LambdaSearch search{.grid = {1e-5, 1, 1e5}};
  const RidgeRisks before = ridge_risks(student, train, noise, test, MatrixXd::Zero(100, 1), {200, 400}, search);
  CHECK(before.lambda(1, 0) == 1e5);
  CHECK(before.test_risk(1, 0) < 1e-3);
  noise.bottomRows(200).setConstant(100);
  const RidgeRisks after = ridge_risks(student, train, noise, test, MatrixXd::Zero(100, 1), {200, 400}, search);
  CHECK(after.test_risk(0, 0) == before.test_risk(0, 0));
  CHECK(after.test_risk(1, 0) != before.test_risk(1, 0));
}

TEST_CASE("the study's numbers do not depend on the number of threads", "[slow]") {
  static const StudyEntry table[] = {{"icl_regression.random_features", "", random_features_study}};
  const auto found = [](int threads) {
    StudyConfig config{StudyTable(table)};
    const std::vector<Override> none;
    read_config_text(
        "small.yaml",
        "study: icl_regression.random_features\n"
        "settings: {input_dim: 5, n_keys: 4, n_heads: 20, n_train: [30, 100], n_test: 50, repetitions: 2}\n",
        none, [&config](Fields& f) { config.fields(f); });
    ThreadPool pool(threads);
    std::atomic<double> last = 0;
    Findings findings = config.study.run({7, pool, [&last](double done) { last = done; }});
    return findings;
  };
  const Findings one = found(1), two = found(2);
  CHECK(one.lines == two.lines);
  REQUIRE(one.tables.size() == 1);
  CHECK_NOTHROW(validated(one.tables));
  for (std::size_t i = 0; i < one.tables[0].constants.size(); ++i) {
    const auto& a = std::get<std::vector<double>>(one.tables[0].constants[i].data);
    const auto& b = std::get<std::vector<double>>(two.tables[0].constants[i].data);
    INFO(one.tables[0].constants[i].name);
    CHECK(a.size() == b.size());
    CHECK(std::equal(a.begin(), a.end(), b.begin(),
                     [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); }));
  }
}

TEST_CASE("the study refuses settings that mean nothing") {
  static const StudyEntry table[] = {{"icl_regression.random_features", "", random_features_study}};
  const auto read = [](const std::string& settings) {
    StudyConfig config{StudyTable(table)};
    const std::vector<Override> none;
    read_config_text("x.yaml", "study: icl_regression.random_features\nsettings: {" + settings + "}\n", none,
                     [&config](Fields& f) { config.fields(f); });
  };
  CHECK_NOTHROW(read("n_train: [16, 32]"));
  CHECK_THROWS_WITH(read("n_train: [32, 16]"), Catch::Matchers::Contains("rising order"));
  CHECK_THROWS_WITH(read("lambda: []"), Catch::Matchers::Contains("must hold a penalty"));
  CHECK_THROWS_WITH(read("key_powers: [], weighted_powers: [], rotated_powers: [], thresholds: [], cosines: []"),
                    Catch::Matchers::Contains("there is no target"));
}

}  // namespace saltus::icl_regression
