#include "data/drifting_regression.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/check.h"
#include "kernels/random.h"

namespace saltus {
namespace {

/// The independent draws of one sample.
enum Lane : std::uint32_t { lane_inputs, lane_noise, lane_walk };

/// Room for n normals in whole vectors of fill_normal.
std::vector<float> room(std::size_t n) { return std::vector<float>((n + 31) / 32 * 32); }

/// Each row of x [rows, d] to length sqrt(d).
void put_on_sphere(float* x, std::size_t rows, std::size_t d) {
  for (std::size_t r = 0; r < rows; ++r, x += d) {
    const double square = std::inner_product(x, x + d, x, 0.0);
    const auto scale = static_cast<float>(std::sqrt(static_cast<double>(d) / square));
    for (std::size_t j = 0; j < d; ++j) x[j] *= scale;
  }
}

}  // namespace

void DriftingRegressionConfig::fields(Fields& f) {
  f.field("n_pairs", n_pairs, "pairs (x, y) of a sequence (T)", between(1, 65536));
  f.field("input_dim", input_dim, "numbers of an x (d)", between(1, 1024));
  f.field("output_dim", output_dim, "numbers of a y, each with coefficients and noise of its own", between(1, 1024));
  f.field("noise_std", noise_std, "standard deviation of the noise on y, whose own is 1 (sigma)", at_least(0));
  f.field("drift", drift,
          "rate at which the coefficients walk from pair to pair: W <- sqrt(1-q^2) W + q fresh ones; 0 holds them (q)",
          between(0, 1));
  f.field("fast_drift", fast_drift, "the same rate in the test set fast", between(0, 1));
}

DriftingRegression::DriftingRegression(const DriftingRegressionConfig& config, const Seeds& seeds)
    : config_(config), data_rng_(seeds.data, Stream::data), eval_rng_(seeds.eval, Stream::eval) {}

std::vector<SampleField> DriftingRegression::fields() const {
  return {{"x", Shape{config_.n_pairs, config_.input_dim}, DType::f32, {"pair", "input"}},
          {"y", Shape{config_.n_pairs, config_.output_dim}, DType::f32, {"pair", "output"}},
          {"drift", Shape{}, DType::f32, {}}};
}

void DriftingRegression::sample_train(std::int64_t step, int first, const Batch& batch) const {
  check(std::in_range<std::uint32_t>(step), "step {} is outside 0..2^32-1, which the random numbers are keyed by",
        step);
  sample(data_rng_, static_cast<std::uint32_t>(step), config_.drift, first, batch);
}

void DriftingRegression::sample_eval(int set, int first, const Batch& batch) const {
  sample(eval_rng_, 0, eval_drifts().at(static_cast<std::size_t>(set)), first, batch);
}

/// Inputs, noise and walk are runs of their own, so that a longer sequence begins with a shorter one, and every rate
/// and noise has the same x.
void DriftingRegression::sample(const Rng& rng, std::uint32_t step, double drift, int first, const Batch& batch) const {
  const auto T = static_cast<std::size_t>(config_.n_pairs), d = static_cast<std::size_t>(config_.input_dim),
             outputs = static_cast<std::size_t>(config_.output_dim), n = outputs * d;
  std::vector<float> inputs = room(T * d), noise = room(T * outputs), walk = room(T * n), W(n);
  const float scale = 1 / std::sqrt(static_cast<float>(d));
  const auto kept = static_cast<float>(std::sqrt((1 - drift) * (1 + drift))), step_size = static_cast<float>(drift);
  for (int i = 0; i < batch.size(); ++i) {
    const auto number = static_cast<std::uint32_t>(first + i);
    fill_normal(rng, {.sample = number, .step = step, .lane = lane_inputs}, inputs);
    fill_normal(rng, {.sample = number, .step = step, .lane = lane_noise}, noise);
    fill_normal(rng, {.sample = number, .step = step, .lane = lane_walk}, walk);
    put_on_sphere(inputs.data(), T, d);
    std::copy_n(inputs.data(), T * d, batch.f32(x_field) + static_cast<std::size_t>(i) * T * d);
    batch.f32(drift_field)[i] = step_size;
    float* y = batch.f32(y_field) + static_cast<std::size_t>(i) * T * outputs;
    for (std::size_t t = 0; t < T; ++t) {
      const float *x = inputs.data() + t * d, *fresh = walk.data() + t * n;
      for (std::size_t j = 0; j < n; ++j) W[j] = t == 0 ? scale * fresh[j] : kept * W[j] + step_size * scale * fresh[j];
      for (std::size_t p = 0; p < outputs; ++p, ++y) {
        *y = static_cast<float>(config_.noise_std) * noise[t * outputs + p];
        for (std::size_t j = 0; j < d; ++j) *y += W[p * d + j] * x[j];
      }
    }
  }
}

}  // namespace saltus
