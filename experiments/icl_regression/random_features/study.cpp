#include "experiments/icl_regression/random_features/study.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory>
#include <numeric>

#include "experiments/icl_regression/random_features/ridge_solve.h"
#include "kernels/random.h"

namespace saltus::icl_regression {
namespace {

constexpr FeatureModel models[] = {FeatureModel::rfa, FeatureModel::brfa, FeatureModel::rfmlp};
constexpr std::size_t n_models = std::size(models);
constexpr double learned_risk = 0.25;  // below what linear regression reaches on all but nearly linear targets

enum Lane : std::uint32_t { lane_label_noise = 16 };  // above those of targets.cpp

struct Settings {
  std::int64_t input_dim = 16, n_keys = 16, n_heads = 1000;
  double query_key_mean = 1;
  std::vector<std::int64_t> n_train = {32, 64, 128, 256, 512, 1024, 2048, 4096};
  std::int64_t n_test = 2000, repetitions = 4;
  std::vector<std::int64_t> key_powers = {1, 2, 3}, weighted_powers = {1, 2, 3}, rotated_powers = {1, 2};
  std::vector<double> thresholds = {1}, cosines = {1.5};
  double label_noise = 0;
  LambdaSearch lambda = {.grid = {1e-5, 1e-3, 1e-2, 1e-1, 1, 10, 100}};

  void fields(Fields& f) {
    f.field("input_dim", input_dim, "dimension of the query and of every key (d)", between(2, 4096));
    f.field("n_keys", n_keys, "keys (N)", between(1, 4096));
    f.field("n_heads", n_heads,
            "heads with frozen query-key weights (M), each with a trained value vector of d + 1 numbers",
            between(1, 1 << 20));
    f.field("query_key_mean", query_key_mean, "brfa: the mean of the query-key weights is this times diag(I, 0)");
    f.field("n_train", n_train,
            "numbers of training samples (n); shorter sets are the beginnings of the longest, which takes 8 n^2 bytes "
            "a thread",
            between(2, 1 << 15));
    f.field("n_test", n_test, "test samples", between(1, 1 << 20));
    f.field("repetitions", repetitions, "fresh inputs, targets and frozen weights each time", between(1, 10000));
    f.field("key_powers", key_powers, "p of the targets mean_i <beta, x_i>^p", between(1, 16));
    f.field("weighted_powers", weighted_powers, "q of the targets mean_i <x_0, x_i>^q <beta, x_i>", between(0, 16));
    f.field("rotated_powers", rotated_powers,
            "q of the targets mean_i <S x_0, x_i>^q <beta, x_i> with a random rotation S", between(0, 16));
    f.field("thresholds", thresholds, "t of the targets mean_i [sqrt(d) <x_0, x_i> >= t] <beta, x_i>");
    f.field("cosines", cosines, "w of the targets mean_i cos(w sqrt(d) <x_0, x_i>) <beta, x_i>");
    f.field("label_noise", label_noise,
            "standard deviation of the noise on the training labels; targets have variance 1", at_least(0));
    f.field("lambda", lambda.grid, "ridge penalties to choose from, relative to the mean squared norm of the features",
            above(0));
    f.field("held_out", lambda.held_out,
            "fraction of the n training samples that chooses the penalty, before a fit on all n", Range{0, 0.9, true});
    f.require(!n_train.empty() && std::is_sorted(n_train.begin(), n_train.end()), "n_train",
              "must be one or more numbers in rising order");
    f.require(!targets().empty(), "key_powers", "there is no target: give at least one parameter to one family");
    f.require(!lambda.grid.empty(), "lambda", "must hold a penalty");
  }

  std::vector<Target> targets() const {
    std::vector<Target> out;
    const auto add = [&out](TargetFamily family, const auto& parameters) {
      for (const auto a : parameters) out.push_back({family, static_cast<double>(a)});
    };
    add(TargetFamily::key_power, key_powers);
    add(TargetFamily::weighted_power, weighted_powers);
    add(TargetFamily::rotated_power, rotated_powers);
    add(TargetFamily::threshold, thresholds);
    add(TargetFamily::cosine, cosines);
    return out;
  }
};

/// Risks of one model in one repetition: [n_train, target].
RidgeRisks risks_of(const Settings& s, std::uint64_t seed, FeatureModel model, std::uint32_t repetition) {
  const std::vector<Target> targets = s.targets();
  const Rng data(seed, Stream::data), task(seed, Stream::task), init(seed, Stream::init);
  const Sequences train = draw_sequences(data, repetition, s.n_train.back(), s.n_keys, s.input_dim);
  const Sequences test = draw_sequences(Rng(seed, Stream::eval), repetition, s.n_test, s.n_keys, s.input_dim);
  Eigen::MatrixXd train_targets(train.samples, targets.size()), test_targets(test.samples, targets.size());
  const Directions directions = draw_directions(task, repetition, s.input_dim);
  std::vector<float> noise(static_cast<std::size_t>(train.samples));
  fill_normal(data, {.step = repetition, .lane = lane_label_noise}, noise);
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const auto column = static_cast<Eigen::Index>(t);
    train_targets.col(column) = target_values(targets[t], train, directions);
    train_targets.col(column) +=
        s.label_noise * Eigen::Map<const Eigen::VectorXf>(noise.data(), train.samples).cast<double>();
    test_targets.col(column) = target_values(targets[t], test, directions);
  }
  const RandomFeatures features({.model = model,
                                 .dim = s.input_dim,
                                 .n_keys = s.n_keys,
                                 .n_heads = s.n_heads,
                                 .query_key_mean = s.query_key_mean},
                                init, repetition);
  return ridge_risks(features, train, train_targets, test, test_targets, s.n_train, s.lambda);
}

/// Every risk with its axes, and what is said of it.
struct Risks {
  std::size_t n_sizes;
  std::vector<double> each, lambda;          // [target, model, n_train, repetition]
  std::vector<double> mean, standard_error;  // [target, model, n_train]
  std::vector<double> n_learned;             // [target, model]
  std::vector<double> linear;                // [target]

  std::size_t at(std::size_t target, std::size_t model, std::size_t size) const {
    return (target * n_models + model) * n_sizes + size;
  }
};

/// Where the risk falls through learned_risk, between neighbouring n on a line in log n; nan if it does not.
double n_to_learn(const std::vector<std::int64_t>& n, const double* risk) {
  for (std::size_t l = 0; l < n.size(); ++l) {
    if (risk[l] >= learned_risk) continue;
    if (l == 0) return NAN;
    const double share = (risk[l - 1] - learned_risk) / (risk[l - 1] - risk[l]);
    return std::exp(std::lerp(std::log(static_cast<double>(n[l - 1])), std::log(static_cast<double>(n[l])), share));
  }
  return NAN;
}

Risks measure(const Settings& s, const StudyContext& context) {
  const std::size_t n_targets = s.targets().size(), repetitions = static_cast<std::size_t>(s.repetitions);
  const int jobs = static_cast<int>(n_models * repetitions);
  std::vector<RidgeRisks> found(static_cast<std::size_t>(jobs));
  std::atomic<int> finished = 0;
  context.pool.run(jobs, [&](int job, int thread) {
    const auto i = static_cast<std::size_t>(job);
    found[i] = risks_of(s, context.seed, models[i % n_models], static_cast<std::uint32_t>(i / n_models));
    ++finished;
    if (thread == 0) context.progress(static_cast<double>(finished) / jobs);
  });
  Risks out{s.n_train.size(), {}, {}, {}, {}, {}, {}};
  for (std::size_t t = 0; t < n_targets; ++t) {
    out.linear.push_back(linear_risk(s.targets()[t], s.n_keys, s.input_dim));
    for (std::size_t m = 0; m < n_models; ++m) {
      for (std::size_t l = 0; l < s.n_train.size(); ++l) {
        double sum = 0, square = 0;
        for (std::size_t r = 0; r < repetitions; ++r) {
          const RidgeRisks& one = found[r * n_models + m];
          const auto row = static_cast<Eigen::Index>(l), column = static_cast<Eigen::Index>(t);
          out.each.push_back(one.test_risk(row, column));
          out.lambda.push_back(one.lambda(row, column));
          sum += out.each.back();
        }
        const auto count = static_cast<double>(repetitions);
        out.mean.push_back(sum / count);
        for (std::size_t r = 0; r < repetitions; ++r)
          square += std::pow(out.each[out.each.size() - 1 - r] - out.mean.back(), 2);
        out.standard_error.push_back(repetitions > 1 ? std::sqrt(square / (count * (count - 1))) : NAN);
      }
      out.n_learned.push_back(n_to_learn(s.n_train, out.mean.data() + out.at(t, m, 0)));
    }
  }
  return out;
}

std::vector<std::string> in_words(const Settings& s, const Risks& risks) {
  std::vector<std::string> lines = {
      "test risk (standard error), the target's variance being 1; \"linear\" is the least risk of a linear function",
      fmt::format("{:<19} {:>6} {:<5}", "target", "linear", "n =")};
  for (const std::int64_t n : s.n_train) lines[1] += fmt::format(" {:>13}", n);
  lines[1] += fmt::format("  n at risk {:g}", learned_risk);
  const std::vector<Target> targets = s.targets();
  for (std::size_t t = 0; t < targets.size(); ++t) {
    for (std::size_t m = 0; m < n_models; ++m) {
      const std::string title = fmt::format("{:<19} {:>6.3f}", name_of(targets[t]), risks.linear[t]);
      std::string& line = lines.emplace_back(fmt::format("{:<26} {:<5}", m == 0 ? title : "", name_of(models[m])));
      for (std::size_t l = 0; l < s.n_train.size(); ++l) {
        const std::size_t i = risks.at(t, m, l);
        line += fmt::format(" {:>13}", fmt::format("{:.3f} ({:.3f})", risks.mean[i], risks.standard_error[i]));
      }
      const double n = risks.n_learned[t * n_models + m];
      line += fmt::format("  {:>14}", std::isnan(n) ? "-" : fmt::format("{:.0f}", n));
    }
  }
  return lines;
}

Findings run(const Settings& s, const StudyContext& context) {
  const Risks risks = measure(s, context);
  std::vector<std::string> target_names, model_names;
  for (const Target& target : s.targets()) target_names.push_back(name_of(target));
  for (const FeatureModel model : models) model_names.emplace_back(name_of(model));
  Table table{.group = "random_features",
              .growing = "",
              .dims = {{.name = "target", .labels = target_names},
                       {.name = "model", .labels = model_names},
                       {.name = "n_train",
                        .long_name = "training samples",
                        .values = std::vector<double>(s.n_train.begin(), s.n_train.end())},
                       {.name = "repetition", .size = s.repetitions}}};
  const std::vector<std::string> axes = {"target", "model", "n_train"},
                                 all_axes = {"target", "model", "n_train", "repetition"};
  table.constants = {
      {"risk", axes, risks.mean,
       "mean squared error on the noiseless test targets, whose variance is 1; mean over repetitions"},
      {"risk_standard_error", axes, risks.standard_error, "of risk, over repetitions; nan if there is one"},
      {"risk_by_repetition", all_axes, risks.each, "mean squared error on the noiseless test targets"},
      {"ridge_penalty", all_axes, risks.lambda,
       "lambda chosen on held-out training samples, relative to the features' mean squared norm"},
      {"n_to_learn",
       {"target", "model"},
       risks.n_learned,
       fmt::format("training samples at which risk falls through {:g}; nan if outside n_train", learned_risk)},
      {"linear_risk", {"target"}, risks.linear, "least risk of a linear function of all inputs"}};
  return {{std::move(table)}, in_words(s, risks)};
}

}  // namespace

Study random_features_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_regression
