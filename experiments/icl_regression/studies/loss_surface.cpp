#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>

#include "data/owned_batch.h"
#include "experiments/icl_regression/studies.h"
#include "experiments/icl_regression/theory/approximate_loss.h"

namespace saltus::icl_regression {
namespace {

struct Settings {
  LinearRegressionConfig task;
  std::vector<double> omega_range = {0, 0.2}, mu_range = {0, 6};
  std::int64_t cells = 20;
  std::int64_t samples = 200000;

  void fields(Fields& f) {
    f.section("task", task, "covariates are isotropic, the task is one");
    f.field("omega_range", omega_range, "smallest and largest omega of the first head; the second has -omega and -mu");
    f.field("mu_range", mu_range, "smallest and largest mu");
    f.field("cells", cells, "grid points an axis", between(2, 1000));
    f.field("samples", samples, "prompts, the same for every cell", between(256, 1 << 26));
    f.require(omega_range.size() == 2 && omega_range[0] < omega_range[1], "omega_range", "must be [smallest, largest]");
    f.require(mu_range.size() == 2 && mu_range[0] < mu_range[1], "mu_range", "must be [smallest, largest]");
    f.require(task.covariance == "isotropic" && task.supports.empty() && task.pool_size == 0 && task.drift == 0, "task",
              "the approximate loss knows one task with isotropic covariates and fresh coefficients that do not drift");
  }
};

constexpr int block = 256;  // prompts a task of the pool

/// Sums over prompts of D^2, D y and their squares and product, D = sum_l y_l (softmax(omega x_l.x_q) - softmax(-omega
/// x_l.x_q)): two heads answer mu D, so the loss and its error for every mu follow from these.
struct Moments {
  double dd = 0, dy = 0, d4 = 0, d3y = 0, d2y2 = 0, yy = 0, y4 = 0, dy3 = 0;
  void add(double d, double y) {
    dd += d * d, dy += d * y, yy += y * y;
    d4 += d * d * d * d, d3y += d * d * d * y, d2y2 += d * d * y * y, dy3 += d * y * y * y, y4 += y * y * y * y;
  }
  void add(const Moments& o) {
    dd += o.dd, dy += o.dy, d4 += o.d4, d3y += o.d3y, d2y2 += o.d2y2, yy += o.yy, y4 += o.y4, dy3 += o.dy3;
  }
  /// Mean of (mu D - y)^2 over n prompts, and its standard error.
  std::array<double, 2> loss(double mu, double n) const {
    const double mean = (mu * mu * dd - 2 * mu * dy + yy) / n, m2 = mu * mu;
    const double square = (m2 * m2 * d4 - 4 * m2 * mu * d3y + 6 * m2 * d2y2 - 4 * mu * dy3 + y4) / n;
    return {mean, std::sqrt(std::max(0.0, square - mean * mean) / n)};
  }
};

/// Of one block of prompts, for every omega.
std::vector<Moments> moments_of(const LinearRegression& task, const std::vector<double>& omegas, int first, int size) {
  const OwnedBatch samples(task.fields(), size);
  const Batch& batch = samples.batch();
  task.sample_eval(0, first, batch);
  const std::int64_t d = task.config().input_dim, length = task.config().n_context, row = length + 1;
  std::vector<Moments> out(omegas.size());
  std::vector<double> scores(static_cast<std::size_t>(length));
  for (int b = 0; b < size; ++b) {
    const float* z = batch.f32(LinearRegression::tokens_field) + b * (d + 1) * row;
    const double y_q = batch.f32(LinearRegression::target_field)[b];
    for (std::int64_t l = 0; l < length; ++l) {
      double s = 0;
      for (std::int64_t i = 0; i < d; ++i) s += static_cast<double>(z[i * row + l]) * z[i * row + length];
      scores[static_cast<std::size_t>(l)] = s;
    }
    for (std::size_t k = 0; k < omegas.size(); ++k) {
      double plus = 0, minus = 0, plus_y = 0, minus_y = 0;
      for (std::int64_t l = 0; l < length; ++l) {
        const double e = std::exp(omegas[k] * scores[static_cast<std::size_t>(l)]), y = z[d * row + l];
        plus += e, plus_y += e * y, minus += 1 / e, minus_y += y / e;
      }
      out[k].add(plus_y / plus - minus_y / minus, y_q);
    }
  }
  return out;
}

std::vector<double> grid(const std::vector<double>& range, std::int64_t cells) {
  std::vector<double> values;
  for (std::int64_t i = 0; i < cells; ++i)
    values.push_back(range[0] + (range[1] - range[0]) * static_cast<double>(i) / static_cast<double>(cells - 1));
  return values;
}

Findings run(const Settings& s, const StudyContext& context) {
  const LinearRegression task(s.task,
                              {.init = context.seed, .data = context.seed, .eval = context.seed, .task = context.seed});
  const std::vector<double> omegas = grid(s.omega_range, s.cells), mus = grid(s.mu_range, s.cells);
  const int blocks = static_cast<int>((s.samples + block - 1) / block);
  std::vector<std::vector<Moments>> parts(static_cast<std::size_t>(blocks));
  context.pool.run(blocks, [&](int i, int thread) {
    const int size = std::min(block, static_cast<int>(s.samples) - i * block);
    parts[static_cast<std::size_t>(i)] = moments_of(task, omegas, i * block, size);
    if (thread == 0) context.progress(static_cast<double>(i) / blocks);
  });

  const ApproximateLoss approximate(isotropic_task(s.task));
  std::vector<double> loss, error, theory, difference;
  double most = 0, least = 0;
  for (std::size_t k = 0; k < omegas.size(); ++k) {
    Moments sum;
    for (const std::vector<Moments>& part : parts) sum.add(part[k]);
    for (const double mu : mus) {
      const auto [mean, standard_error] = sum.loss(mu, static_cast<double>(s.samples));
      loss.push_back(mean);
      error.push_back(standard_error);
      theory.push_back(approximate.two_heads(omegas[k], mu));
      difference.push_back(mean - theory.back());
      most = std::max(most, difference.back());
      least = std::min(least, difference.back());
    }
  }
  const std::vector<std::string> axes = {"omega", "mu"};
  Table table{
      .group = "surface",
      .growing = "",
      .dims = {
          {.name = "omega", .long_name = "KQ = omega I of the first head, -omega I of the second", .values = omegas},
          {.name = "mu", .long_name = "OV of the first head, minus that of the second", .values = mus}}};
  table.constants = {{"difference", axes, difference, "loss - approximate_loss"},
                     {"loss", axes, loss, "mean squared error over the sampled prompts"},
                     {"loss_standard_error", axes, error, "of loss"},
                     {"approximate_loss", axes, theory, "He et al.'s approximation"}};
  return {{std::move(table)},
          {fmt::format("loss - approximation lies between {:+.4f} and {:+.4f} over {} x {} cells ({} prompts, standard "
                       "error at most {:.4f})",
                       least, most, s.cells, s.cells, s.samples, *std::max_element(error.begin(), error.end()))}};
}

}  // namespace

Study loss_surface_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_regression
