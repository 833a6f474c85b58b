#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "experiments/icl_regression/measures.h"
#include "experiments/icl_regression/studies.h"
#include "experiments/icl_regression/theory/reduced_flow.h"
#include "experiments/icl_regression/theory/risks.h"
#include "experiments/icl_regression/theory/solution_manifold.h"
#include "kernels/random.h"

namespace saltus::icl_regression {
namespace {

struct Settings {
  LinearRegressionConfig task;
  std::int64_t n_heads = 2;
  std::vector<double> omega, mu;
  double init_std = 0.02;
  double first_time = 0.1, last_time = 1e5;
  std::int64_t points = 600;

  void fields(Fields& f) {
    f.section(
        "task", task,
        "its input_dim, n_context, beta_std, noise_std and noisy_query; covariates are isotropic, the task is one");
    f.field("n_heads", n_heads, "heads (H)", between(1, 64));
    f.field("omega", omega, "KQ = omega I of each head at time 0; empty: normal with init_std");
    f.field("mu", mu, "OV = mu of each head at time 0; empty: normal with init_std");
    f.field("init_std", init_std, "standard deviation of a drawn start", above(0));
    f.field("first_time", first_time, "first time that is recorded after 0", above(0));
    f.field("last_time", last_time, "last time; one unit is an update of sum 1 of learning rates on E (yhat - y)^2",
            above(0));
    f.field("points", points, "recorded times, evenly on a log scale", between(10, 100000));
    const auto heads = static_cast<std::size_t>(n_heads);
    f.require(omega.empty() || omega.size() == heads, "omega",
              fmt::format("{} values for {} heads", omega.size(), n_heads));
    f.require(mu.empty() || mu.size() == heads, "mu", fmt::format("{} values for {} heads", mu.size(), n_heads));
    f.require(last_time > first_time, "last_time",
              fmt::format("last_time {} must be after first_time {}", last_time, first_time));
    f.require(task.covariance == "isotropic" && task.supports.empty() && task.pool_size == 0 && task.drift == 0, "task",
              "the reduced flow knows one task with isotropic covariates and fresh coefficients that do not drift");
  }
};

Eigen::VectorXd start_of(const std::vector<double>& given, const Settings& s, std::uint64_t seed, std::uint32_t lane) {
  const auto heads = static_cast<std::size_t>(s.n_heads);
  Eigen::VectorXd out(s.n_heads);
  std::vector<float> drawn(heads);
  fill_normal(Rng(seed, Stream::init), {.lane = lane}, drawn);
  for (std::size_t h = 0; h < heads; ++h)
    out[static_cast<Eigen::Index>(h)] = given.empty() ? s.init_std * drawn[h] : given[h];
  return out;
}

/// Slope of log y against log t over the last decade of times.
double late_exponent(const std::vector<double>& times, const std::vector<double>& values) {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (times[i] < times.back() / 10) continue;
    const double a = std::log(times[i]), b = std::log(values[i]);
    n += 1, x += a, y += b, xx += a * a, xy += a * b;
  }
  return (n * xy - x * y) / (n * xx - x * x);
}

/// Each head's and the heads' numbers at every time.
struct Series {
  std::vector<double> omega, mu;  // [time, head]
  // Sums over the heads with omega > 0: of single heads the best mu is not determined where two heads have one omega.
  std::vector<double> positive_mu, best_positive_mu;
  std::vector<double> learning_rate, zero_sum, gamma, distance, largest_omega, largest_mu;

  Series(const ReducedFlow& flow, const ApproximateLoss& loss) {
    for (const Heads& heads : flow.heads) {
      omega.insert(omega.end(), heads.omega.begin(), heads.omega.end());
      mu.insert(mu.end(), heads.mu.begin(), heads.mu.end());
      const Eigen::VectorXd best = loss.optimal_mu(heads.omega);
      const Eigen::VectorXd positive = (heads.omega.array() > 0).cast<double>();
      positive_mu.push_back(positive.dot(heads.mu));
      best_positive_mu.push_back(positive.dot(best));
      const std::span<const double> w(heads.omega.data(), static_cast<std::size_t>(heads.omega.size())),
          m(heads.mu.data(), w.size());
      learning_rate.push_back(effective_learning_rate(w, m));
      zero_sum.push_back(zero_sum_residual(m));
      const ManifoldDistance near = distance_to_manifold(loss, heads);
      gamma.push_back(near.gamma);
      distance.push_back(near.distance);
      largest_omega.push_back(heads.omega.cwiseAbs().maxCoeff());
      largest_mu.push_back(heads.mu.cwiseAbs().maxCoeff());
    }
  }
};

Findings run(const Settings& s, const StudyContext& context) {
  const ApproximateLoss loss(isotropic_task(s.task));
  const Heads start{start_of(s.omega, s, context.seed, 0), start_of(s.mu, s, context.seed, 1)};
  const std::vector<double> times = log_times(s.first_time, s.last_time, static_cast<int>(s.points));
  const ReducedFlow flow = reduced_flow(loss, start, times);
  const Series series(flow, loss);
  const FlowStages stages = flow_stages(flow);

  Table table{.group = "flow",
              .growing = "",
              .dims = {{.name = "time", .long_name = "time of the gradient flow", .values = times},
                       {.name = "head", .size = s.n_heads}}};
  const std::vector<std::string> by_time = {"time"}, by_head = {"time", "head"};
  table.constants = {
      {"loss", by_time, flow.loss, "approximate loss"},
      {"omega", by_head, series.omega, "KQ = omega I of each head"},
      {"mu", by_head, series.mu, "OV = mu of each head"},
      {"positive_mu", by_time, series.positive_mu, "sum of mu over the heads with omega > 0"},
      {"best_positive_mu", by_time, series.best_positive_mu, "the same of the mu that are best for the omega of this time"},
      {"effective_learning_rate", by_time, series.learning_rate, "sum of omega mu"},
      {"zero_sum", by_time, series.zero_sum, "|sum mu| / sum |mu|"},
      {"manifold_gamma", by_time, series.gamma,
       "gamma of the nearest solution manifold; nan while all mu have one sign"},
      {"manifold_distance", by_time, series.distance, "distance of (omega, mu) to it"},
      {"loss_limit", {}, std::vector<double>{approximate_loss_limit(loss.task())}, "infimum over two or more heads"},
      {"single_head_loss",
       {},
       std::vector<double>{loss.single_head_loss()},
       "minimum over one head, and of heads of one sign"}};
  const Heads& end = flow.heads.back();
  const auto text = [](const Eigen::VectorXd& v) {
    std::string out;
    for (const double x : v) out += fmt::format(" {:.4f}", x);
    return out;
  };
  return {
      {std::move(table)},
      {fmt::format("at time {:g}: approximate loss {:.5f} (infimum {:.5f}, single head {:.5f})", times.back(),
                   flow.loss.back(), approximate_loss_limit(loss.task()), loss.single_head_loss()),
       fmt::format("omega{}   mu{}   effective learning rate {:.4f}", text(end.omega), text(end.mu),
                   series.learning_rate.back()),
       fmt::format("stages: signs match from {:.3g}, zero sum from {:.3g}, homogeneous from {:.3g}; mean |omega| peaks "
                   "at {:.3g}",
                   stages.signs_match, stages.zero_sum, stages.homogeneous, stages.omega_peak),
       fmt::format(
           "over the last decade of time: max |omega| ~ t^{:.4f}, max |mu| ~ t^{:.4f} (-1/6 and 1/6 on the manifold)",
           late_exponent(times, series.largest_omega), late_exponent(times, series.largest_mu))}};
}

}  // namespace

Study flow_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_regression
