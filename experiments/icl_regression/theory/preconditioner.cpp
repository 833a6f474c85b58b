#include "experiments/icl_regression/theory/preconditioner.h"

#include <Eigen/LU>

namespace saltus::icl_regression {
namespace {

using Row = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

double variance(double std) { return std * std; }

Eigen::MatrixXd covariance(const LinearRegressionConfig& config) {
  const std::vector<double> sigma = config.sigma();
  return Eigen::Map<const Row>(sigma.data(), config.input_dim, config.input_dim);
}

/// (1/L) sum_l y_l x_l as a random vector g, centred or not.
struct Moments {
  double mean;             // E g = mean Sigma beta
  Eigen::MatrixXd square;  // E g g' over x, noise and beta, [input, input]
};

Moments moments(const GaussianTasks& tasks, const GaussianTasks::Task& task, Centring centring) {
  const double length = tasks.n_context;
  const Eigen::MatrixXd& sigma = tasks.sigma;
  const Eigen::MatrixXd signal = sigma * task.beta_covariance * sigma;
  const double label_variance = (task.beta_covariance * sigma).trace() + task.noise_variance;
  if (centring == Centring::none) return {1, (1 + 1 / length) * signal + label_variance / length * sigma};
  const double kept = (length - 1) / length;
  return {kept, kept * (signal + label_variance / length * sigma)};
}

}  // namespace

GaussianTasks gaussian_tasks(const LinearRegressionConfig& config) {
  GaussianTasks all{covariance(config), static_cast<int>(config.n_context), {}, config.noisy_query};
  for (int n = 0; n < config.n_tasks(); ++n) {
    Eigen::MatrixXd beta = Eigen::MatrixXd::Zero(config.input_dim, config.input_dim);
    for (int j : config.support(n)) beta(j, j) = variance(config.coefficient_std());
    all.tasks.push_back({beta, variance(config.label_noise_std(n))});
  }
  return all;
}

GaussianTasks gaussian_task(const LinearRegressionConfig& config, int task) {
  const std::vector<int> support = config.support(task);
  const auto size = static_cast<Eigen::Index>(support.size());
  return {covariance(config)(support, support),
          static_cast<int>(config.n_context),
          {{variance(config.coefficient_std()) * Eigen::MatrixXd::Identity(size, size),
            variance(config.label_noise_std(task))}},
          config.noisy_query};
}

double preconditioned_risk(const GaussianTasks& tasks, const Eigen::MatrixXd& preconditioner, Centring centring) {
  const Eigen::MatrixXd& sigma = tasks.sigma;
  const Eigen::MatrixXd pulled = sigma * preconditioner.transpose() * sigma;
  double sum = 0;
  for (const GaussianTasks::Task& task : tasks.tasks) {
    const Moments m = moments(tasks, task, centring);
    const Eigen::MatrixXd& beta = task.beta_covariance;
    const double noise = tasks.noisy_query ? task.noise_variance : 0;
    sum += (beta * sigma).trace() + noise - 2 * m.mean * (beta * pulled).trace() +
           (m.square * preconditioner * sigma * preconditioner.transpose()).trace();
  }
  return sum / static_cast<double>(tasks.tasks.size());
}

Eigen::MatrixXd optimal_preconditioner(const GaussianTasks& tasks, Centring centring) {
  const Eigen::Index d = tasks.sigma.rows();
  const double length = tasks.n_context;
  Eigen::MatrixXd beta = Eigen::MatrixXd::Zero(d, d);
  double label_variance = 0;
  for (const GaussianTasks::Task& task : tasks.tasks) {
    beta += task.beta_covariance;
    label_variance += (task.beta_covariance * tasks.sigma).trace() + task.noise_variance;
  }
  const double shrink = centring == Centring::none ? 1 + 1 / length : 1;
  const Eigen::MatrixXd system =
      shrink * beta * tasks.sigma + label_variance / length * Eigen::MatrixXd::Identity(d, d);
  return system.partialPivLu().solve(beta);
}

double optimal_eta(const GaussianTasks& tasks, Centring centring) {
  double linear = 0, square = 0;
  for (const GaussianTasks::Task& task : tasks.tasks) {
    const Moments m = moments(tasks, task, centring);
    linear += m.mean * (task.beta_covariance * tasks.sigma * tasks.sigma).trace();
    square += (m.square * tasks.sigma).trace();
  }
  return linear / square;
}

}  // namespace saltus::icl_regression
