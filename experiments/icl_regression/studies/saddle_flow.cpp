#include "experiments/icl_regression/theory/saddle_flow.h"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "experiments/icl_regression/studies.h"
#include "kernels/random.h"

namespace saltus::icl_regression {
namespace {

struct Settings {
  std::string form = "rank_one";
  std::vector<double> eigenvalues = {0.4, 0.3, 0.2, 0.1};
  std::int64_t n_context = 31;
  std::int64_t n_heads = 5;
  double noise_variance = 0;
  double init_std = 0.01;
  double last_time = 20000;
  std::int64_t points = 4001;

  void fields(Fields& f) {
    f.choice("form", form, {"rank_one", "merged"},
             "rank_one: separate keys and queries of rank one; merged: one matrix for both");
    f.field("eigenvalues", eigenvalues, "of the covariates' covariance (Lambda), falling", above(0));
    f.field("n_context", n_context, "pairs in the context (N)", at_least(1));
    f.field("n_heads", n_heads, "heads (H)", between(1, 256));
    f.field("noise_variance", noise_variance, "of the labels in the context", at_least(0));
    f.field("init_std", init_std, "standard deviation of every weight at time 0",
            Range{.lo = 0, .hi = 1, .lo_open = true});
    f.field("last_time", last_time, "last time of the gradient flow of loss / 2", above(0));
    f.field("points", points, "recorded times, evenly spaced", between(2, 100000));
    f.require(!eigenvalues.empty() && std::is_sorted(eigenvalues.rbegin(), eigenvalues.rend()), "eigenvalues",
              "must be given, largest first");
  }
};

/// One head after the other from one sequence of normals, so that adding a head leaves the others as they were.
class Draws {
 public:
  Draws(std::uint64_t seed, double std, std::size_t a_head) : rng_(seed, Stream::init), std_(std), values_(a_head) {}
  std::span<const float> head(std::int64_t h) {
    fill_normal(rng_, {.sample = static_cast<std::uint32_t>(h)}, values_);
    for (float& v : values_) v *= static_cast<float>(std_);
    return values_;
  }

 private:
  Rng rng_;
  double std_;
  std::vector<float> values_;
};

RankOneHeads rank_one_start(const Settings& s, std::uint64_t seed) {
  const auto d = static_cast<Eigen::Index>(s.eigenvalues.size());
  RankOneHeads heads{Eigen::VectorXd(s.n_heads), Eigen::MatrixXd(d, s.n_heads), Eigen::MatrixXd(d, s.n_heads)};
  Draws draws(seed, s.init_std, static_cast<std::size_t>(2 * d + 1));
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    const std::span<const float> x = draws.head(h);
    heads.v[h] = x[0];
    for (Eigen::Index i = 0; i < d; ++i) {
      heads.k(i, h) = x[static_cast<std::size_t>(1 + i)];
      heads.q(i, h) = x[static_cast<std::size_t>(1 + d + i)];
    }
  }
  return heads;
}

MergedHeads merged_start(const Settings& s, std::uint64_t seed) {
  const auto d = static_cast<Eigen::Index>(s.eigenvalues.size());
  MergedHeads heads{Eigen::VectorXd(s.n_heads), {}};
  Draws draws(seed, s.init_std, static_cast<std::size_t>(d * d + 1));
  for (std::int64_t h = 0; h < s.n_heads; ++h) {
    const std::span<const float> x = draws.head(h);
    heads.v[h] = x[0];
    Eigen::MatrixXd& u = heads.u.emplace_back(d, d);
    for (Eigen::Index i = 0; i < d * d; ++i) u(i / d, i % d) = x[static_cast<std::size_t>(1 + i)];
  }
  return heads;
}

template <class HeadsType>
Findings findings(const Settings& s, const SaddleFlow<HeadsType>& flow, const Eigen::VectorXd& plateaus) {
  std::vector<double> diagonal, values;
  for (const HeadsType& heads : flow.heads) {
    const Eigen::VectorXd on = heads.omega().diagonal();
    diagonal.insert(diagonal.end(), on.begin(), on.end());
    values.insert(values.end(), heads.v.begin(), heads.v.end());
  }
  const std::vector<double> levels(plateaus.begin(), plateaus.end()),
      drops = drop_times(flow.times, flow.loss, plateaus);
  Table table{
      .group = "saddle_flow",
      .growing = "",
      .dims = {{.name = "time", .long_name = "time of the gradient flow of loss / 2", .values = flow.times},
               {.name = "component", .long_name = "principal component of the covariates", .values = s.eigenvalues},
               {.name = "head", .size = s.n_heads},
               {.name = "level",
                .size = plateaus.size(),
                .long_name = "fixed points of the flow, in the order in which they are passed"}}};
  table.constants = {
      {"loss", {"time"}, flow.loss, "population loss E (yhat - y)^2"},
      {"omega_diagonal", {"time", "component"}, diagonal, "what the heads have learned of each component: Omega_ii"},
      {"value", {"time", "head"}, values, "v_h"},
      {"plateau",
       {"level"},
       levels,
       "loss at the fixed points: with rank-one heads tr Lambda - sum of lambda_i / a_i over the components learned; "
       "merged, at 0 and at the optimum"}};
  std::vector<std::string> lines = {fmt::format("loss {:.5f} at time 0, {:.5f} at time {:g}; optimum {:.5f}",
                                                flow.loss.front(), flow.loss.back(), flow.times.back(), levels.back())};
  for (std::size_t m = 0; m < drops.size(); ++m) {
    lines.push_back(fmt::format("level {:.5f} -> {:.5f}: half-way at time {:.1f}", levels[m], levels[m + 1], drops[m]));
  }
  return {{std::move(table)}, lines};
}

Findings run(const Settings& s, const StudyContext& context) {
  SpectralTask task{.eigenvalues = Eigen::Map<const Eigen::VectorXd>(s.eigenvalues.data(),
                                                                     static_cast<Eigen::Index>(s.eigenvalues.size())),
                    .n_context = static_cast<int>(s.n_context),
                    .noise_variance = s.noise_variance};
  const std::vector<double> times = linear_times(0, s.last_time, static_cast<int>(s.points));
  const Eigen::VectorXd plateaus = task.plateaus();
  if (s.form == "merged") {
    return findings(s, merged_flow(task, merged_start(s, context.seed), times),
                    Eigen::Vector2d(plateaus[0], plateaus[plateaus.size() - 1]));
  }
  return findings(s, rank_one_flow(task, rank_one_start(s, context.seed), times), plateaus);
}

}  // namespace

Study saddle_flow_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_regression
