#include <map>

#include "core/check.h"
#include "experiments/icl_regression/theory/approximate_loss.h"
#include "experiments/icl_regression/theory/preconditioner.h"
#include "experiments/icl_regression/theory/references.h"
#include "experiments/icl_regression/theory/risks.h"
#include "regression_theory_prompts.h"

using namespace saltus;
using namespace saltus::icl_regression;
using namespace saltus::tests;

namespace {

/// A task, its references, and samples of one of its test sets.
struct Sampled {
  Sampled(const LinearRegressionConfig& config, int size, int set = 0)
      : task(config, Seeds{}), references(config, task.pool()), batch_size(size) {
    const auto at = [size](std::int64_t n) { return static_cast<std::size_t>(size * n); };
    tokens.resize(at(config.n_features() * (config.n_context + 1)));
    target.resize(at(config.n_tasks()));
    beta.resize(at(config.n_tasks() * config.input_dim));
    task_id.resize(at(1));
    task.sample_eval(set, 0, batch());
  }
  Batch batch() { return {batch_size, {tokens.data(), target.data(), beta.data(), task_id.data()}}; }

  /// Mean and standard error of each predictor's risk over the samples, asked for one by one.
  std::map<std::string, std::pair<double, double>> risks() {
    const LinearRegressionConfig& c = task.config();
    std::vector<SampleMean> means(references.labels().size());
    for (int b = 0; b < batch_size; ++b) {
      const Batch one(1, {tokens.data() + b * c.n_features() * (c.n_context + 1), target.data() + b * c.n_tasks(),
                          beta.data() + b * c.n_tasks() * c.input_dim, task_id.data() + b});
      std::vector<double> losses(means.size());
      references.accumulate(one, {}, losses);
      for (std::size_t p = 0; p < means.size(); ++p) means[p].add(losses[p]);
    }
    std::map<std::string, std::pair<double, double>> out;
    for (std::size_t p = 0; p < means.size(); ++p) out[references.labels()[p]] = {means[p].mean(), means[p].standard_error()};
    return out;
  }

  /// Sample b as task n sees it, all coordinates.
  Prompt prompt(int b, int n) const {
    const LinearRegressionConfig& c = task.config();
    const std::int64_t width = c.n_context + 1;
    const float* z = tokens.data() + b * c.n_features() * width;
    Prompt p{Eigen::MatrixXd(c.n_context, c.input_dim), Eigen::VectorXd(c.n_context), Eigen::VectorXd(c.input_dim)};
    for (std::int64_t i = 0; i < c.input_dim; ++i) {
      for (std::int64_t l = 0; l < c.n_context; ++l) p.x(l, i) = static_cast<double>(z[i * width + l]);
      p.query[i] = static_cast<double>(z[i * width + c.n_context]);
    }
    for (std::int64_t l = 0; l < c.n_context; ++l) p.y[l] = static_cast<double>(z[(c.input_dim + n) * width + l]);
    return p;
  }
  /// Means of sum_n (predict(b, n) - target)^2 / N over the samples.
  template <class Predict>
  double mean_risk(const Predict& predict) const {
    const auto n_tasks = static_cast<int>(task.config().n_tasks());
    double sum = 0;
    for (int b = 0; b < batch_size; ++b) {
      for (int n = 0; n < n_tasks; ++n) {
        sum += std::pow(predict(b, n) - static_cast<double>(target[static_cast<std::size_t>(b * n_tasks + n)]), 2);
      }
    }
    return sum / batch_size / n_tasks;
  }

  LinearRegression task;
  ReferenceRisks references;
  int batch_size;
  std::vector<float> tokens, target, beta;
  std::vector<std::int32_t> task_id;
};

/// Two tasks with supports of different sizes that overlap, noise by size, and one beta.
LinearRegressionConfig two_tasks() {
  LinearRegressionConfig config;
  config.input_dim = 6;
  config.n_context = 11;
  config.supports = {"0..4", "3,5"};
  config.noise_scaling = "support";
  return config;
}

/// All tasks' labels as one prompt of N L rows and N d columns, in units of their noise: what is known jointly.
Prompt stacked(const Sampled& s, int b, int asked) {
  const LinearRegressionConfig& c = s.task.config();
  const Eigen::Index length = c.n_context, d = c.input_dim, n_tasks = c.n_tasks();
  Prompt all{Eigen::MatrixXd::Zero(n_tasks * length, n_tasks * d), Eigen::VectorXd(n_tasks * length),
             Eigen::VectorXd::Zero(n_tasks * d)};
  for (int n = 0; n < n_tasks; ++n) {
    const Prompt one = s.prompt(b, n);
    all.x.block(n * length, n * d, length, d) = one.x / c.label_noise_std(n);
    all.y.segment(n * length, length) = one.y / c.label_noise_std(n);
    if (n == asked) all.query.segment(n * d, d) = one.query;
  }
  return all;
}

}  // namespace

TEST_CASE("on the paper's task every reference is its predictor, with the closed forms' parameters") {
  Sampled s(LinearRegressionConfig{}, 200);
  const IsotropicTask task;
  const Heads head = ApproximateLoss(task).single_head();
  const auto risks = s.risks();
  CHECK(s.references.labels() == std::vector<std::string>{"zero", "gd_optimal", "dgd_optimal", "single_head", "ridge"});
  CHECK(risks.at("zero").first == Approx(s.mean_risk([](int, int) { return 0; })));
  CHECK(risks.at("gd_optimal").first ==
        Approx(s.mean_risk([&](int b, int n) { return gradient_descent(s.prompt(b, n), gd_optimal_eta(task)); })));
  CHECK(risks.at("dgd_optimal").first == Approx(s.mean_risk([&](int b, int n) {
          return debiased_gradient_descent(s.prompt(b, n), dgd_optimal_eta(task));
        })));
  CHECK(risks.at("single_head").first ==
        Approx(s.mean_risk([&](int b, int n) { return kernel_regressor(s.prompt(b, n), head.omega[0], head.mu[0]); })));
  CHECK(risks.at("ridge").first == Approx(s.mean_risk([&](int b, int n) { return ridge(s.prompt(b, n), 0.5); })));
}

TEST_CASE("the references' axis, and sums over a batch that are those of its samples") {
  Sampled s(LinearRegressionConfig{}, 50);
  const std::vector<Measure> measures = s.references.measures();
  REQUIRE(measures.size() == 1);
  CHECK(measures[0].name == "risk");
  CHECK(measures[0].dims[0].name == "predictor");
  CHECK(measures[0].dims[0].labels == s.references.labels());
  CHECK(s.references.taps().empty());
  std::vector<double> sums(s.references.labels().size());
  s.references.accumulate(s.batch(), {}, sums);
  for (std::size_t p = 0; p < sums.size(); ++p) CHECK(sums[p] / 50 == Approx(s.risks().at(s.references.labels()[p]).first));
}

TEST_CASE("the mean over 100 000 samples is the exact risk where there is one", "[slow]") {
  LinearRegressionConfig correlated, small = two_tasks();
  correlated.covariance = "kac_murdock_szego";
  small.noisy_query = false;
  small.beta_std = 1;
  for (const LinearRegressionConfig& config : {LinearRegressionConfig{}, correlated, small}) {
    Sampled s(config, 100000);
    const std::vector<double> exact = s.references.exact_risk();
    const auto risks = s.risks();
    int known = 0;
    for (std::size_t p = 0; p < exact.size(); ++p) {
      const std::string& label = s.references.labels()[p];
      const auto [mean, error] = risks.at(label);
      INFO(label << ": " << mean << " +- " << error << ", exact " << exact[p]);
      CHECK(error < 0.02 * mean);
      if (label != "joint_ridge") CHECK(risks.at("ridge").first <= mean);  // Bayes, on the same samples
      if (!std::isnan(exact[p])) CHECK(std::abs(mean - exact[p]) < 4 * error);
      known += !std::isnan(exact[p]);
    }
    CHECK(known == (config.covariance == "isotropic" ? 3 : 4));
  }
}

TEST_CASE("the exact risks of the paper's task are risks.h's") {
  const std::vector<double> exact = ReferenceRisks(LinearRegressionConfig{}).exact_risk();
  CHECK(exact[0] == Approx(1.1));
  CHECK(exact[1] == Approx(gd_optimal_risk({})));
  CHECK(exact[2] == Approx(dgd_optimal_risk({})));
  CHECK(std::isnan(exact[3]));
  CHECK(std::isnan(exact[4]));
}

TEST_CASE("correlated covariates add the best preconditioner, and tune the single head to Sigma") {
  LinearRegressionConfig config;
  config.covariance = "kac_murdock_szego";
  Sampled s(config, 2000);
  const Eigen::MatrixXd omega = optimal_preconditioner(gaussian_tasks(config), Centring::none);
  const auto risks = s.risks();
  CHECK(risks.at("preconditioned_gd").first ==
        Approx(s.mean_risk([&](int b, int n) { return preconditioned_gradient_descent(s.prompt(b, n), omega); })));
  CHECK(risks.at("preconditioned_gd").first < risks.at("gd_optimal").first);
  CHECK(risks.at("ridge").first == Approx(s.mean_risk([&](int b, int n) { return ridge(s.prompt(b, n), 0.5); })));
  // The head of the isotropic task is worse here.
  const Heads isotropic = ApproximateLoss(IsotropicTask{}).single_head();
  CHECK(risks.at("single_head").first < s.mean_risk([&](int b, int n) {
    return kernel_regressor(s.prompt(b, n), isotropic.omega[0], isotropic.mu[0]);
  }));
}

TEST_CASE("a predictor of task n sees the coordinates S_n alone") {
  Sampled s(two_tasks(), 100);
  const LinearRegressionConfig& config = s.task.config();
  const auto seen = [&](int b, int n) { return restricted(s.prompt(b, n), config.support(n)); };
  const auto risks = s.risks();
  CHECK(risks.at("gd_optimal").first == Approx(s.mean_risk([&](int b, int n) {
          return gradient_descent(seen(b, n), gd_optimal_eta(isotropic_task(config, n)));
        })));
  CHECK(risks.at("dgd_optimal").first == Approx(s.mean_risk([&](int b, int n) {
          return debiased_gradient_descent(seen(b, n), dgd_optimal_eta(isotropic_task(config, n)));
        })));
  CHECK(risks.at("single_head").first == Approx(s.mean_risk([&](int b, int n) {
          const Heads head = ApproximateLoss(isotropic_task(config, n)).single_head();
          return kernel_regressor(seen(b, n), head.omega[0], head.mu[0]);
        })));
  const double noise[2] = {0.1 * 5, 0.1 * 2};
  CHECK(risks.at("ridge").first == Approx(s.mean_risk([&](int b, int n) { return ridge(seen(b, n), noise[n] * 6); })));
}

TEST_CASE("tasks that share beta have a joint Bayes predictor, which is below ridge") {
  Sampled s(two_tasks(), 2000);
  const LinearRegressionConfig& config = s.task.config();
  const auto risks = s.risks();
  // One beta: fold the stacked prompt's two blocks of columns into one, leaving out what a task does not read.
  const auto jointly = [&](int b, int asked) {
    const Prompt all = stacked(s, b, asked);
    Prompt folded{Eigen::MatrixXd::Zero(all.x.rows(), 6), all.y, Eigen::VectorXd::Zero(6)};
    for (int n = 0; n < 2; ++n) {
      for (int j : config.support(n)) {
        folded.x.col(j) += all.x.col(6 * n + j);
        folded.query[j] += all.query[6 * n + j];
      }
    }
    return ridge(folded, 6);
  };
  CHECK(risks.at("joint_ridge").first == Approx(s.mean_risk(jointly)));
  CHECK(risks.at("joint_ridge").first < risks.at("ridge").first);
  LinearRegressionConfig apart = two_tasks();
  apart.shared_beta = false;
  CHECK(ReferenceRisks(apart).labels().back() == "ridge");
}

TEST_CASE("with a pool dMMSE weighs its entries by all tasks' labels") {
  LinearRegressionConfig config = two_tasks();
  config.n_context = 2;  // few labels, so that several entries count
  for (int size : {40, 600}) {
    config.pool_size = size;
    for (int set : {0, 1}) {
      Sampled s(config, 300, set);
      Eigen::MatrixXd pool(size, 12);
      for (int m = 0; m < size; ++m) {
        for (int i = 0; i < 12; ++i)
          pool(m, i) = static_cast<double>(s.task.pool()[static_cast<std::size_t>(m * 12 + i)]);
      }
      const auto risks = s.risks();
      CHECK(risks.at("dmmse").first ==
            Approx(s.mean_risk([&](int b, int n) { return dmmse(stacked(s, b, n), pool, 1); })));
      // On a small pool it is Bayes; on fresh coefficients ridge is better.
      if (size == 40) CHECK((risks.at("dmmse").first < risks.at("joint_ridge").first) == (set == 0));
    }
  }
}

TEST_CASE("the exact risks on a pool are those of its own coefficients") {
  LinearRegressionConfig config;
  config.pool_size = 2;
  Sampled s(config, 40000);
  const std::vector<double> exact = s.references.exact_pool_risk(), fresh = s.references.exact_risk();
  const auto risks = s.risks();
  for (std::size_t p = 0; p < 3; ++p) {
    const auto [mean, error] = risks.at(s.references.labels()[p]);
    INFO(s.references.labels()[p] << ": " << mean << " +- " << error << ", pool " << exact[p] << ", fresh "
                                  << fresh[p]);
    CHECK(std::abs(mean - exact[p]) < 4 * error);
    CHECK(std::abs(mean - fresh[p]) > 6 * error);
  }
  CHECK_THROWS_WITH(ReferenceRisks(LinearRegressionConfig{}).exact_pool_risk(),
                    "references: the exact risk on the pool was asked for, but there is no pool");
}

TEST_CASE("without noise ridge is the least-norm fit of the labels") {
  LinearRegressionConfig config;
  config.noise_std = 0;
  for (std::int64_t length : {3, 12}) {  // fewer pairs than coordinates, and more
    config.n_context = length;
    Sampled s(config, 200);
    const double least = s.mean_risk([&](int b, int n) { return least_squares(s.prompt(b, n)); });
    CHECK(s.risks().at("ridge").first == Approx(least).epsilon(1e-4).margin(1e-9));
  }
}

TEST_CASE("a pool of another shape is refused") {
  const std::vector<float> pool(7);
  CHECK_THROWS_WITH(ReferenceRisks(LinearRegressionConfig{}, pool),
                    "references: a pool of 7 numbers; 1 tasks of 5 inputs make 5 an entry");
}
