#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "data/owned_batch.h"
#include "experiments/icl_regression/studies.h"
#include "experiments/icl_regression/theory/approximate_loss.h"
#include "experiments/icl_regression/theory/predictors.h"
#include "experiments/icl_regression/theory/risks.h"

namespace saltus::icl_regression {
namespace {

struct Settings {
  LinearRegressionConfig task;
  std::vector<std::int64_t> lengths = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100};
  double omega = 0.13, mu = 3.45;
  std::int64_t samples = 50000;

  void fields(Fields& f) {
    f.section(
        "task", task,
        "covariates are isotropic, the task is one; n_context is the length that linear attention was trained on");
    f.field("lengths", lengths, "context lengths (L)", at_least(2));
    f.field("omega", omega, "KQ = omega I of the first of two heads, -omega I of the second");
    f.field("mu", mu, "OV of the first head, minus that of the second");
    f.field("samples", samples, "prompts a length", between(256, 1 << 24));
    f.require(task.covariance == "isotropic" && task.supports.empty() && task.pool_size == 0 && task.drift == 0, "task",
              "the closed forms know one task with isotropic covariates and fresh coefficients that do not drift");
    f.require(!lengths.empty(), "lengths", "must hold a length");
  }
};

constexpr int block = 256;  // prompts a task of the pool
const std::vector<std::string> names = {"two_heads", "gd", "dgd", "single_head", "linear_attention", "ridge"};

/// Sums over prompts of each estimator's squared error and its square.
struct Sums {
  std::vector<double> error = std::vector<double>(names.size()), square = std::vector<double>(names.size());
};

/// The estimators at one length, in the order of `names`.
class Estimators {
 public:
  Estimators(const Settings& s, const IsotropicTask& task)
      : omega_(Eigen::Vector2d(s.omega, -s.omega)),
        mu_(Eigen::Vector2d(s.mu, -s.mu)),
        gd_(gd_optimal_eta(task)),
        dgd_(dgd_optimal_eta(task)),
        head_(ApproximateLoss(task).single_head()),
        lambda_(task.noise_variance / task.beta_variance) {
    const IsotropicTask trained = task.with_length(static_cast<int>(s.task.n_context));
    linear_ = gd_optimal_eta(trained) * task.n_context / trained.n_context;
  }
  std::vector<double> answers(const Prompt& p) const {
    return {kernel_regressors(p, omega_, mu_),  gradient_descent(p, gd_),
            debiased_gradient_descent(p, dgd_), kernel_regressor(p, head_.omega[0], head_.mu[0]),
            gradient_descent(p, linear_),       lambda_ > 0 ? ridge(p, lambda_) : least_squares(p)};
  }

 private:
  Eigen::VectorXd omega_, mu_;
  double gd_, dgd_;
  Heads head_;
  double lambda_, linear_;
};

Sums block_sums(const LinearRegression& task, const Estimators& estimators, int first, int size) {
  const OwnedBatch samples(task.fields(), size);
  const Batch& batch = samples.batch();
  task.sample_eval(0, first, batch);
  using Tokens = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
  const Eigen::Index d = task.config().input_dim, length = task.config().n_context;
  Sums sums;
  Prompt prompt;
  for (int b = 0; b < size; ++b) {
    const Tokens z(batch.f32(LinearRegression::tokens_field) + b * (d + 1) * (length + 1), d + 1, length + 1);
    prompt.x = z.topLeftCorner(d, length).transpose().cast<double>();
    prompt.y = z.row(d).head(length).transpose().cast<double>();
    prompt.query = z.col(length).head(d).cast<double>();
    const std::vector<double> answers = estimators.answers(prompt);
    for (std::size_t k = 0; k < answers.size(); ++k) {
      const double e = answers[k] - batch.f32(LinearRegression::target_field)[b];
      sums.error[k] += e * e;
      sums.square[k] += e * e * e * e;
    }
  }
  return sums;
}

std::vector<double> exact_risks(const Settings& s, const IsotropicTask& task) {
  const IsotropicTask trained = task.with_length(static_cast<int>(s.task.n_context));
  return {NAN,
          gd_optimal_risk(task),
          dgd_optimal_risk(task),
          NAN,
          linear_attention_risk(task, gd_optimal_eta(trained), trained.n_context),
          NAN};
}

Findings run(const Settings& s, const StudyContext& context) {
  std::vector<double> risk, error, exact;
  std::vector<std::string> lines = {fmt::format("{:>6}", "length")};
  for (const std::string& name : names) lines[0] += fmt::format("  {:>16}", name);
  const int blocks = static_cast<int>((s.samples + block - 1) / block);
  for (std::size_t at = 0; at < s.lengths.size(); ++at) {
    LinearRegressionConfig config = s.task;
    config.n_context = s.lengths[at];
    const LinearRegression task(
        config, {.init = context.seed, .data = context.seed, .eval = context.seed, .task = context.seed});
    const Estimators estimators(s, isotropic_task(config));
    std::vector<Sums> parts(static_cast<std::size_t>(blocks));
    context.pool.run(blocks, [&](int i, int) {
      parts[static_cast<std::size_t>(i)] =
          block_sums(task, estimators, i * block, std::min(block, static_cast<int>(s.samples) - i * block));
    });
    context.progress(static_cast<double>(at + 1) / static_cast<double>(s.lengths.size()));
    std::string& line = lines.emplace_back(fmt::format("{:>6}", s.lengths[at]));
    const auto n = static_cast<double>(s.samples);
    for (std::size_t k = 0; k < names.size(); ++k) {
      double sum = 0, square = 0;
      for (const Sums& part : parts) sum += part.error[k], square += part.square[k];
      risk.push_back(sum / n);
      error.push_back(std::sqrt((square / n - risk.back() * risk.back()) / n));
      line += fmt::format("  {:>16}", fmt::format("{:.4f} ({:.4f})", risk.back(), error.back()));
    }
    const std::vector<double> known = exact_risks(s, isotropic_task(config));
    exact.insert(exact.end(), known.begin(), known.end());
  }
  std::vector<double> bayes, limit, bound;
  for (const std::int64_t length : s.lengths) {
    const IsotropicTask at = isotropic_task(s.task).with_length(static_cast<int>(length));
    bayes.push_back(ridge_asymptotic_risk(at));
    limit.push_back(approximate_loss_limit(at));
    bound.push_back(at.noise_variance > 0 ? dgd_over_bayes_bound(at) : NAN);
  }
  Table table{.group = "estimators",
              .growing = "",
              .dims = {{.name = "length",
                        .long_name = "length of the context",
                        .values = std::vector<double>(s.lengths.begin(), s.lengths.end())},
                       {.name = "predictor", .labels = names}}};
  const std::vector<std::string> axes = {"length", "predictor"};
  table.constants = {
      {"risk", axes, risk, "mean squared error, the query's noise included"},
      {"risk_standard_error", axes, error, "of risk"},
      {"exact_risk", axes, exact, "its expectation where there is a closed form, else nan"},
      {"ridge_asymptotic_risk", {"length"}, bayes, "Bayes' risk for d, L to infinity at this d / L"},
      {"approximate_loss_limit", {"length"}, limit, "infimum of the approximate loss over two or more heads"},
      {"dgd_over_bayes_bound",
       {"length"},
       bound,
       "Theorem 1(c): the most that debiased descent's risk is of Bayes', in that limit"}};
  return {{std::move(table)}, lines};
}

}  // namespace

Study estimators_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_regression
