#include "experiments/icl_regression/errors.h"

namespace saltus::icl_regression {
namespace {

/// A batch of LinearRegression seen through its layout.
struct Samples {
  const Batch& batch;
  const LinearRegressionConfig& task;

  /// Feature `feature` of position `position`; position L is the query.
  double token(int b, std::int64_t feature, std::int64_t position) const {
    const std::int64_t positions = task.n_context + 1;
    return batch.f32(LinearRegression::tokens_field)[(b * task.n_features() + feature) * positions + position];
  }
  double target(int b, std::int64_t n) const {
    return batch.f32(LinearRegression::target_field)[b * task.n_tasks() + n];
  }
  /// beta_n . x_q
  double noise_free(int b, std::int64_t n) const {
    const float* beta = batch.f32(LinearRegression::beta_field) + (b * task.n_tasks() + n) * task.input_dim;
    double y = 0;
    for (std::int64_t j = 0; j < task.input_dim; ++j) y += beta[j] * token(b, j, task.n_context);
    return y;
  }
};

double square(double x) { return x * x; }

}  // namespace

std::vector<Measure> RegressionProbe::measures() const {
  return {{"loss", "squared error of the answer, mean over outputs, with the target's noise"},
          {"excess", "squared distance of the answer from beta . x_q, mean over outputs: the loss without noise"}};
}

void RegressionProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                                 std::span<double> sums) const {
  const float* answers = tap("prediction").data;
  const Samples samples{batch, task_};
  const auto outputs = static_cast<double>(task_.n_tasks());
  for (int b = 0; b < batch.size(); ++b) {
    for (std::int64_t n = 0; n < task_.n_tasks(); ++n, ++answers) {
      sums[0] += square(*answers - samples.target(b, n)) / outputs;
      sums[1] += square(*answers - samples.noise_free(b, n)) / outputs;
    }
  }
}

std::vector<Measure> PointwiseProbe::measures() const {
  return {{"pointwise_loss",
           "squared error of the answer after n_seen pairs, mean over outputs, with the target's noise",
           {{.name = "n_seen", .size = task_.n_context + 1, .long_name = "pairs before the x that is asked"}}}};
}

void PointwiseProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                                std::span<double> sums) const {
  const float* answers = tap("predictions").data;
  const Samples samples{batch, task_};
  const std::int64_t tasks = task_.n_tasks(), context = task_.n_context;
  for (int b = 0; b < batch.size(); ++b) {
    for (std::int64_t seen = 0; seen <= context; ++seen) {
      for (std::int64_t n = 0; n < tasks; ++n, ++answers) {
        const double y = seen < context ? samples.token(b, task_.input_dim + n, seen) : samples.target(b, n);
        sums[static_cast<std::size_t>(seen)] += square(*answers - y) / static_cast<double>(tasks);
      }
    }
  }
}

}  // namespace saltus::icl_regression
