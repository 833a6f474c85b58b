#include "experiments/icl_regression/theory/references.h"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"
#include "experiments/icl_regression/theory/preconditioner.h"

namespace saltus::icl_regression {
namespace {

using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using FloatRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// One softmax head with KQ = omega I on covariates of any Sigma, at the minimum of ApproximateLoss's analogue
///   b (tr S - 2 mu omega tr S^2 + mu^2 omega^2 tr S^3) + mu^2 (b tr S + sigma^2) exp(omega^2 tr S^2) / L,  S = Sigma,
/// for which x_q' S x_q in the exponent is replaced by its mean: omega = 1 / sqrt(tr S^2). For S = I it is
/// ApproximateLoss::single_head().
struct SingleHead {
  double omega, mu;
};

SingleHead single_head(const GaussianTasks& one) {
  const Eigen::MatrixXd& sigma = one.sigma;
  const double second = sigma.squaredNorm(), third = (sigma * sigma * sigma).trace();
  const double b = one.tasks[0].beta_covariance(0, 0);
  const double label_variance = b * sigma.trace() + one.tasks[0].noise_variance;
  const double omega = 1 / std::sqrt(second);
  const double square = omega * omega * b * third + label_variance * std::exp(1.0) / one.n_context;
  return {omega, omega * b * second / square};
}

constexpr Eigen::Index pool_block = 256;  // entries of the pool that are judged at once

}  // namespace

/// What one sample needs, allocated once a batch. Predictors write prediction(predictor, task).
struct ReferenceRisks::Workspace {
  Workspace(std::int64_t d, std::int64_t n_tasks, std::int64_t length, std::int64_t n_predictors)
      : x(d, length),
        y(n_tasks, length),
        query(d),
        sum_x(d),
        gram(d, d),
        moment(d, n_tasks),
        scores(length),
        part(d),
        solution(d),
        system(d, d),
        evidence(pool_block),
        pull(pool_block),
        prediction(n_predictors, n_tasks) {}

  Rows x, y;                       // [input, position], [task, position]
  Eigen::VectorXd query, sum_x;    // [input]
  Eigen::MatrixXd gram, moment;    // X'X [input, input], X'y [input, task]
  Eigen::ArrayXd scores;           // [position]
  Eigen::VectorXd part, solution;  // a support's query; its right side, then coefficients
  Eigen::MatrixXd system;          // its X'X, lower triangle
  Eigen::ArrayXd evidence, pull;   // of a block of the pool
  Rows prediction;                 // [predictor, task]

  /// From tokens [feature, position + 1].
  void read(const float* tokens) {
    const Eigen::Index d = x.rows(), n = y.rows(), length = x.cols();
    const Eigen::Map<const FloatRows> z(tokens, d + n, length + 1);
    x = z.topLeftCorner(d, length).cast<double>();
    y = z.bottomLeftCorner(n, length).cast<double>();
    query = z.col(length).head(d).cast<double>();
    for (Eigen::Index i = 0; i < d; ++i) {
      sum_x[i] = x.row(i).sum();
      for (Eigen::Index j = 0; j <= i; ++j) gram(i, j) = gram(j, i) = x.row(i).dot(x.row(j));
      for (Eigen::Index t = 0; t < n; ++t) moment(i, t) = x.row(i).dot(y.row(t));
    }
  }

  /// coefficients . query with (gram + lambda I) coefficients = right side, in the first `size` coordinates of `system`
  /// and `solution`, which hold gram and right side and are overwritten.
  double solve(Eigen::Index size, double lambda, const Eigen::VectorXd& of_query) {
    auto a = system.topLeftCorner(size, size);
    auto c = solution.head(size);
    a.diagonal().array() += lambda;
    for (Eigen::Index j = 0; j < size; ++j) {  // Cholesky in place, lower triangle; Eigen's would allocate
      a(j, j) = std::sqrt(a(j, j) - a.row(j).head(j).squaredNorm());
      for (Eigen::Index i = j + 1; i < size; ++i)
        a(i, j) = (a(i, j) - a.row(i).head(j).dot(a.row(j).head(j))) / a(j, j);
    }
    a.triangularView<Eigen::Lower>().solveInPlace(c);
    a.triangularView<Eigen::Lower>().transpose().solveInPlace(c);
    return c.dot(of_query.head(size));
  }

  /// mu sum_l y_l softmax_l(omega x_l . x_q) over a support's coordinates.
  double attend(std::span<const int> support, Eigen::Index task, double omega, double mu) {
    scores.setZero();
    for (int j : support) scores += (omega * query[j]) * x.row(j).transpose().array();
    scores = (scores - scores.maxCoeff()).exp();
    return mu * (scores * y.row(task).transpose().array()).sum() / scores.sum();
  }
};

ReferenceRisks::ReferenceRisks(const LinearRegressionConfig& config, std::span<const float> pool)
    : config_(config),
      beta_variance_(config.coefficient_std() * config.coefficient_std()),
      pool_size_(static_cast<std::int64_t>(pool.size()) / (config.n_tasks() * config.input_dim)),
      preconditioned_(config.covariance != "isotropic"),
      joint_(config.shared_beta && config.n_tasks() > 1) {
  const Eigen::Index d = config.input_dim, n_tasks = config.n_tasks();
  check(pool_size_ * n_tasks * d == static_cast<std::int64_t>(pool.size()),
        "references: a pool of {} numbers; {} tasks of {} inputs make {} an entry", pool.size(), n_tasks, d,
        n_tasks * d);
  labels_ = {"zero", "gd_optimal", "dgd_optimal"};
  if (preconditioned_) labels_.push_back("preconditioned_gd");
  labels_.insert(labels_.end(), {"single_head", "ridge"});
  if (joint_) labels_.push_back("joint_ridge");
  if (pool_size_ > 0) labels_.push_back("dmmse");
  for (int n = 0; n < n_tasks; ++n) {
    const GaussianTasks one = gaussian_task(config, n);
    const SingleHead head = single_head(one);
    const double noise = one.tasks[0].noise_variance, signal = beta_variance_ * one.sigma.trace();
    Eigen::MatrixXd coefficients(pool_size_, d);
    for (Eigen::Index m = 0; m < pool_size_; ++m) {
      for (Eigen::Index j = 0; j < d; ++j) {
        coefficients(m, j) = static_cast<double>(pool[static_cast<std::size_t>((m * n_tasks + n) * d + j)]);
      }
    }
    tasks_.push_back({config.support(n), optimal_eta(one, Centring::none), optimal_eta(one, Centring::debiased),
                      optimal_preconditioner(one, Centring::none), head.omega, head.mu,
                      noise > 0 ? noise : 1e-9 * signal, std::move(coefficients)});
  }
}

std::vector<Measure> ReferenceRisks::measures() const {
  const Dim predictor{.name = "predictor",
                      .labels = labels_,
                      .long_name = "known predictors (experiments/icl_regression/theory/references.h)"};
  return {{"risk", "squared error of a known predictor on the same samples, mean over tasks", {predictor}}};
}

void ReferenceRisks::predict_each(Workspace& w) const {
  const double length = static_cast<double>(config_.n_context);
  for (std::size_t n = 0; n < tasks_.size(); ++n) {
    const TaskReferences& task = tasks_[n];
    const auto column = static_cast<Eigen::Index>(n), size = static_cast<Eigen::Index>(task.support.size());
    const double sum_y = w.y.row(column).sum();
    double moment = 0, centred = 0;  // (1/L) X'y . x_q, plain and with centred x
    for (Eigen::Index i = 0; i < size; ++i) {
      const int j = task.support[static_cast<std::size_t>(i)];
      w.part[i] = w.query[j];
      w.solution[i] = w.moment(j, column);
      moment += w.moment(j, column) * w.query[j] / length;
      centred += (w.moment(j, column) - w.sum_x[j] * sum_y / length) * w.query[j] / length;
      for (Eigen::Index k = 0; k <= i; ++k) w.system(i, k) = w.gram(j, task.support[static_cast<std::size_t>(k)]);
    }
    Eigen::Index row = 0;
    w.prediction(row++, column) = 0;
    w.prediction(row++, column) = task.gd_eta * moment;
    w.prediction(row++, column) = task.dgd_eta * centred;
    if (preconditioned_) {
      double sum = 0;
      for (Eigen::Index k = 0; k < size; ++k) sum += w.solution.head(size).dot(task.preconditioner.col(k)) * w.part[k];
      w.prediction(row++, column) = sum / length;
    }
    w.prediction(row++, column) = w.attend(task.support, column, task.head_omega, task.head_mu);
    w.prediction(row++, column) = w.solve(size, task.noise_variance / beta_variance_, w.part);
  }
}

/// The posterior mean of the shared beta is (sum_n P_n X'X P_n / sigma_n^2 + I / b)^-1 sum_n P_n X'y_n / sigma_n^2 with
/// P_n the projection on S_n; here times the first task's variance, which keeps the numbers near those of a ridge.
void ReferenceRisks::predict_jointly(Workspace& w) const {
  const double unit = tasks_[0].noise_variance;
  w.system.setZero();
  w.solution.setZero();
  for (std::size_t n = 0; n < tasks_.size(); ++n) {
    const double weight = unit / tasks_[n].noise_variance;
    for (int i : tasks_[n].support) {
      w.solution[i] += weight * w.moment(i, static_cast<Eigen::Index>(n));
      for (int j : tasks_[n].support) w.system(i, j) += weight * w.gram(i, j);
    }
  }
  w.solve(config_.input_dim, unit / beta_variance_, w.query);
  const Eigen::Index row = w.prediction.rows() - (pool_size_ > 0 ? 2 : 1);
  for (std::size_t n = 0; n < tasks_.size(); ++n) {
    double sum = 0;
    for (int j : tasks_[n].support) sum += w.solution[j] * w.query[j];
    w.prediction(row, static_cast<Eigen::Index>(n)) = sum;
  }
}

/// Entry m's evidence is sum_n (w_mn' X'y_n - w_mn' X'X w_mn / 2) / sigma_n^2 up to a constant; blocks of entries keep
/// that in vector instructions. One pass: sums are rescaled when a better entry comes.
void ReferenceRisks::predict_from_pool(Workspace& w) const {
  auto sums = w.prediction.row(w.prediction.rows() - 1);
  sums.setZero();
  double best = -std::numeric_limits<double>::infinity(), mass = 0;
  for (Eigen::Index first = 0; first < pool_size_; first += pool_block) {
    const Eigen::Index count = std::min<Eigen::Index>(pool_block, pool_size_ - first);
    auto evidence = w.evidence.head(count), pull = w.pull.head(count);
    evidence.setZero();
    for (std::size_t n = 0; n < tasks_.size(); ++n) {
      const auto block = tasks_[n].pool.middleRows(first, count).array();  // [entry, input]
      for (Eigen::Index j = 0; j < block.cols(); ++j) {
        pull = w.moment(j, static_cast<Eigen::Index>(n)) - (w.gram(j, j) / 2) * block.col(j);
        for (Eigen::Index i = 0; i < j; ++i) pull -= w.gram(i, j) * block.col(i);
        evidence += block.col(j) * pull * (1 / tasks_[n].noise_variance);
      }
    }
    const double top = evidence.maxCoeff();
    if (top > best) {
      const double shrink = std::exp(best - top);  // 0 the first time
      mass *= shrink;
      sums *= shrink;
      best = top;
    }
    for (Eigen::Index m = 0; m < count; ++m) {
      if (evidence[m] < best - 50) continue;  // below 1e-21 of the mass
      const double weight = std::exp(evidence[m] - best);
      mass += weight;
      for (std::size_t n = 0; n < tasks_.size(); ++n) {
        sums[static_cast<Eigen::Index>(n)] += weight * tasks_[n].pool.row(first + m).dot(w.query);
      }
    }
  }
  sums /= mass;
}

void ReferenceRisks::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>&,
                                std::span<double> sums) const {
  const std::int64_t d = config_.input_dim, n_tasks = config_.n_tasks(), length = config_.n_context;
  const std::size_t n_predictors = labels_.size();
  Workspace w(d, n_tasks, length, static_cast<std::int64_t>(n_predictors));
  const float* tokens = batch.f32(LinearRegression::tokens_field);
  const float* target = batch.f32(LinearRegression::target_field);
  for (int b = 0; b < batch.size(); ++b, tokens += (d + n_tasks) * (length + 1), target += n_tasks) {
    w.read(tokens);
    predict_each(w);
    if (joint_) predict_jointly(w);
    if (pool_size_ > 0) predict_from_pool(w);
    for (std::size_t p = 0; p < n_predictors; ++p) {
      double loss = 0;
      for (Eigen::Index n = 0; n < n_tasks; ++n) {
        const double error = w.prediction(static_cast<Eigen::Index>(p), n) - static_cast<double>(target[n]);
        loss += error * error / static_cast<double>(n_tasks);
      }
      sums[p] += loss;
    }
  }
}

std::vector<double> ReferenceRisks::exact(bool pooled) const {
  std::vector<double> risk(labels_.size(), std::numeric_limits<double>::quiet_NaN());
  const std::size_t known = preconditioned_ ? 4 : 3;
  std::fill_n(risk.begin(), known, 0.0);
  for (std::size_t n = 0; n < tasks_.size(); ++n) {
    const TaskReferences& task = tasks_[n];
    GaussianTasks one = gaussian_task(config_, static_cast<int>(n));
    const Eigen::Index size = one.sigma.rows();
    if (pooled) {
      const Eigen::MatrixXd part = task.pool(Eigen::all, task.support);
      one.tasks[0].beta_covariance = part.transpose() * part / static_cast<double>(pool_size_);
    }
    const Eigen::MatrixXd identity = Eigen::MatrixXd::Identity(size, size);
    const double share = 1 / static_cast<double>(tasks_.size());
    risk[0] += share * preconditioned_risk(one, 0 * identity, Centring::none);
    risk[1] += share * preconditioned_risk(one, task.gd_eta * identity, Centring::none);
    risk[2] += share * preconditioned_risk(one, task.dgd_eta * identity, Centring::debiased);
    if (preconditioned_) risk[3] += share * preconditioned_risk(one, task.preconditioner, Centring::none);
  }
  return risk;
}

std::vector<double> ReferenceRisks::exact_risk() const { return exact(false); }

std::vector<double> ReferenceRisks::exact_pool_risk() const {
  check(pool_size_ > 0, "references: the exact risk on the pool was asked for, but there is no pool");
  return exact(true);
}

}  // namespace saltus::icl_regression
