#include "experiments/icl_regression/theory/saddle_flow.h"

#include <cmath>
#include <limits>

#include "core/check.h"

namespace saltus::icl_regression {
namespace {

// A flow's state as one vector. Rank one: v, then k, then q, column by column. Merged: v, then each U_h.

Eigen::VectorXd pack(const RankOneHeads& heads) {
  Eigen::VectorXd y(heads.v.size() + heads.k.size() + heads.q.size());
  y << heads.v, heads.k.reshaped(), heads.q.reshaped();
  return y;
}

RankOneHeads unpack_rank_one(const Eigen::VectorXd& y, Eigen::Index d, Eigen::Index n) {
  return {y.head(n), y.segment(n, d * n).reshaped(d, n), y.tail(d * n).reshaped(d, n)};
}

Eigen::VectorXd pack(const MergedHeads& heads) {
  const Eigen::Index n = heads.v.size(), block = heads.u[0].size();
  Eigen::VectorXd y(n + n * block);
  y.head(n) = heads.v;
  for (Eigen::Index h = 0; h < n; ++h)
    y.segment(n + h * block, block) = heads.u[static_cast<std::size_t>(h)].reshaped();
  return y;
}

MergedHeads unpack_merged(const Eigen::VectorXd& y, Eigen::Index d, Eigen::Index n) {
  MergedHeads heads{y.head(n), {}};
  for (Eigen::Index h = 0; h < n; ++h) heads.u.push_back(y.segment(n + h * d * d, d * d).reshaped(d, d));
  return heads;
}

template <class HeadsType, class Unpack>
SaddleFlow<HeadsType> recorded(const SpectralTask& task, const Trajectory& path, const Unpack& unpack) {
  SaddleFlow<HeadsType> flow{path.times, {}, {}};
  for (const Eigen::VectorXd& y : path.states) {
    flow.heads.push_back(unpack(y));
    flow.loss.push_back(task.loss(flow.heads.back().omega()));
  }
  return flow;
}

}  // namespace

Eigen::VectorXd SpectralTask::spread() const {
  const double total = eigenvalues.sum() + noise_variance / beta_variance;
  return (1 + (1 + total / eigenvalues.array()) / n_context).matrix();
}

double SpectralTask::loss(const Eigen::MatrixXd& omega) const {
  const Eigen::ArrayXd lambda = eigenvalues.array(), square = lambda.square() * spread().array();
  const double explained = (lambda.square() * omega.diagonal().array()).sum();
  const double size = (square.matrix().asDiagonal() * omega.cwiseAbs2() * eigenvalues).sum();
  return beta_variance * (eigenvalues.sum() - 2 * explained + size);
}

Eigen::MatrixXd SpectralTask::half_gradient(const Eigen::MatrixXd& omega) const {
  const Eigen::VectorXd lambda_squared = eigenvalues.cwiseAbs2(), square = lambda_squared.cwiseProduct(spread());
  Eigen::MatrixXd gradient = square.asDiagonal() * omega * eigenvalues.asDiagonal();
  gradient.diagonal() -= lambda_squared;
  return beta_variance * gradient;
}

Eigen::VectorXd SpectralTask::plateaus() const {
  Eigen::VectorXd level(eigenvalues.size() + 1);
  level[0] = beta_variance * eigenvalues.sum();
  const Eigen::VectorXd a = spread();
  for (Eigen::Index i = 0; i < eigenvalues.size(); ++i) level[i + 1] = level[i] - beta_variance * eigenvalues[i] / a[i];
  return level;
}

Eigen::VectorXd SpectralTask::resting_values() const {
  return (eigenvalues.array() * spread().array()).pow(-1.0 / 3).matrix();
}

double SpectralTask::scalar_velocity(int component, double v) const {
  const double lambda = eigenvalues[component], a = spread()[component];
  return beta_variance * (lambda * lambda * v * v - lambda * lambda * lambda * a * std::pow(v, 5));
}

Eigen::MatrixXd MergedHeads::omega() const {
  Eigen::MatrixXd sum = v[0] * u[0];
  for (std::size_t h = 1; h < u.size(); ++h) sum += v[static_cast<Eigen::Index>(h)] * u[h];
  return sum;
}

SaddleFlow<RankOneHeads> rank_one_flow(const SpectralTask& task, const RankOneHeads& start,
                                       std::span<const double> times, const OdeTolerance& tolerance) {
  const Eigen::Index d = task.eigenvalues.size(), n = start.v.size();
  check(n > 0 && start.k.rows() == d && start.q.rows() == d && start.k.cols() == n && start.q.cols() == n,
        "rank_one_flow: {} values, keys [{}, {}] and queries [{}, {}] do not make heads on {} inputs", n,
        start.k.rows(), start.k.cols(), start.q.rows(), start.q.cols(), d);
  const Derivative descend = [&](double, const Eigen::VectorXd& y, Eigen::VectorXd& dy) {
    const auto v = y.head(n);
    const auto k = y.segment(n, d * n).reshaped(d, n), q = y.tail(d * n).reshaped(d, n);
    const Eigen::MatrixXd pull = -task.half_gradient(k * v.asDiagonal() * q.transpose());
    const Eigen::MatrixXd on_keys = pull * q, on_queries = pull.transpose() * k;  // [input, head]
    dy.head(n) = k.cwiseProduct(on_keys).colwise().sum().transpose();
    dy.segment(n, d * n).reshaped(d, n) = on_keys * v.asDiagonal();
    dy.tail(d * n).reshaped(d, n) = on_queries * v.asDiagonal();
  };
  const Trajectory path = integrate(descend, pack(start), times, tolerance);
  return recorded<RankOneHeads>(task, path, [&](const Eigen::VectorXd& y) { return unpack_rank_one(y, d, n); });
}

SaddleFlow<MergedHeads> merged_flow(const SpectralTask& task, const MergedHeads& start, std::span<const double> times,
                                    const OdeTolerance& tolerance) {
  const Eigen::Index d = task.eigenvalues.size(), n = start.v.size();
  check(n > 0 && static_cast<Eigen::Index>(start.u.size()) == n, "merged_flow: {} values, {} key-query matrices", n,
        start.u.size());
  for (const Eigen::MatrixXd& u : start.u) {
    check(u.rows() == d && u.cols() == d, "merged_flow: a key-query matrix [{}, {}] on {} inputs", u.rows(), u.cols(),
          d);
  }
  const Derivative descend = [&](double, const Eigen::VectorXd& y, Eigen::VectorXd& dy) {
    Eigen::VectorXd omega = Eigen::VectorXd::Zero(d * d);
    for (Eigen::Index h = 0; h < n; ++h) omega += y[h] * y.segment(n + h * d * d, d * d);
    const Eigen::MatrixXd pull = -task.half_gradient(omega.reshaped(d, d));
    for (Eigen::Index h = 0; h < n; ++h) {
      dy[h] = y.segment(n + h * d * d, d * d).dot(pull.reshaped());
      dy.segment(n + h * d * d, d * d) = y[h] * pull.reshaped();
    }
  };
  const Trajectory path = integrate(descend, pack(start), times, tolerance);
  return recorded<MergedHeads>(task, path, [&](const Eigen::VectorXd& y) { return unpack_merged(y, d, n); });
}

std::vector<double> drop_times(std::span<const double> times, std::span<const double> loss,
                               const Eigen::VectorXd& levels) {
  check(times.size() == loss.size(), "drop_times: {} times, {} losses", times.size(), loss.size());
  std::vector<double> drops(static_cast<std::size_t>(levels.size() - 1), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t m = 0; m < drops.size(); ++m) {
    const auto i = static_cast<Eigen::Index>(m);
    const double middle = (levels[i] + levels[i + 1]) / 2;
    for (std::size_t t = 0; t < times.size() && std::isnan(drops[m]); ++t) {
      if (loss[t] < middle) drops[m] = times[t];
    }
  }
  return drops;
}

}  // namespace saltus::icl_regression
