#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>

#include "experiments/icl_classification/phenomenology/flow.h"
#include "experiments/icl_classification/phenomenology/power_law.h"
#include "experiments/icl_classification/phenomenology/studies.h"

namespace saltus::icl_classification {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// How the number of labels grows with the number of pairs: L = ratio N + surplus.
struct Family {
  std::int64_t ratio, surplus;
  std::string name() const {
    if (surplus > 0) return fmt::format("L = N + {}", surplus);
    return ratio == 1 ? "L = N" : fmt::format("L = {} N", ratio);
  }
};

struct Settings {
  std::vector<std::int64_t> n_pairs = {4, 8, 16, 32, 64, 128, 256, 512};
  std::vector<std::int64_t> ratios = {16, 4, 2}, surpluses = {1, 0};
  NestedLogits attention;
  Descent descent;
  double last_time = 1e9;

  void fields(Fields& f) {
    f.field("n_pairs", n_pairs, "numbers of pairs (N)", between(2, 1 << 20));
    f.field("ratios", ratios, "labels a pair (L / N), one curve each", between(2, 1024));
    f.field("surpluses", surpluses, "labels beyond the pairs (L - N), one curve each", between(0, 1 << 20));
    attention.attention_fields(f);
    descent.fields(f);
    f.field("last_time", last_time, "a jump that has not come by then counts as none", above(0));
    const bool rising = std::adjacent_find(n_pairs.begin(), n_pairs.end(), std::greater_equal<>()) == n_pairs.end();
    f.require(n_pairs.size() >= 2 && rising, "n_pairs", "must be two or more, each larger than the one before");
    f.require(!ratios.empty() || !surpluses.empty(), "ratios", "there is no curve: give one of ratios or surpluses");
  }

  std::vector<Family> families() const {
    std::vector<Family> out;
    for (const std::int64_t ratio : ratios) out.push_back({ratio, 0});
    for (const std::int64_t surplus : surpluses) out.push_back({1, surplus});
    return out;
  }
};

/// Everything about one family, by N.
struct Curve {
  std::vector<double> time, onset, context_at_onset, asymptote, local_exponent;
  std::vector<double> xi, alpha, beta_1;  // at the time
  PowerLaw fit{nan, nan, nan};            // over the larger half of the N
};

Curve curve_of(const Settings& s, const Family& family) {
  Curve out;
  std::vector<double> fitted_n, fitted_time;
  for (std::size_t i = 0; i < s.n_pairs.size(); ++i) {
    NestedLogits model = s.attention;
    model.n_pairs = s.n_pairs[i];
    model.n_labels = family.ratio * s.n_pairs[i] + family.surplus;
    const Transition found = transition(model, s.descent, s.last_time);
    out.time.push_back(found.time);
    out.onset.push_back(found.onset);
    out.context_at_onset.push_back(measures(model, found.at_onset).context_label);
    out.asymptote.push_back(asymptotic_transition_time(model, s.descent));
    out.xi.push_back(found.logits[at_xi]);
    out.alpha.push_back(found.logits[at_alpha]);
    out.beta_1.push_back(found.logits[at_beta_1]);
    const auto n = static_cast<double>(model.n_pairs);
    const bool both = i > 0 && std::isfinite(found.time) && std::isfinite(out.time[i - 1]);
    out.local_exponent.push_back(
        both ? std::log(found.time / out.time[i - 1]) / std::log(n / static_cast<double>(s.n_pairs[i - 1])) : nan);
    if (2 * i < s.n_pairs.size() - 1 || !std::isfinite(found.time) || found.time == 0) continue;
    fitted_n.push_back(n);
    fitted_time.push_back(found.time);
  }
  if (fitted_n.size() >= 2) out.fit = fit_power_law(fitted_n, fitted_time);
  return out;
}

std::string line_of(const Settings& s, const Family& family, const Curve& curve) {
  if (std::isinf(curve.time.back())) return fmt::format("{}: nothing moves, t* is infinite", family.name());
  if (std::isnan(curve.fit.exponent)) return fmt::format("{}: no jump by {:g}", family.name(), s.last_time);
  return fmt::format(
      "{}: t* ~ N^{:.4f} (standard error {:.4f}; from the last two N {:.4f}); at N = {} t* is {:.5g}, {:.4f} of the "
      "asymptote",
      family.name(), curve.fit.exponent, curve.fit.exponent_standard_error, curve.local_exponent.back(),
      s.n_pairs.back(), curve.time.back(), curve.time.back() / curve.asymptote.back());
}

Table table_of(const Settings& s, const std::vector<Family>& families, const std::vector<Curve>& curves) {
  Table table{.group = "transition_times",
              .growing = "",
              .dims = {{.name = "family", .long_name = "how the labels (L) grow with the pairs (N)"},
                       {.name = "n_pairs",
                        .long_name = "pairs in the context (N)",
                        .values = {s.n_pairs.begin(), s.n_pairs.end()}}}};
  std::vector<double> exponent, error, intercept;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    table.dims[0].labels.push_back(families[i].name());
    exponent.push_back(curves[i].fit.exponent);
    error.push_back(curves[i].fit.exponent_standard_error);
    intercept.push_back(curves[i].fit.intercept);
  }
  const auto by_n = [&](const char* name, std::vector<double> Curve::*member, const char* doc) {
    std::vector<double> values;
    for (const Curve& curve : curves) values.insert(values.end(), (curve.*member).begin(), (curve.*member).end());
    table.constants.push_back({name, {"family", "n_pairs"}, std::move(values), doc});
  };
  by_n(
      "transition_time", &Curve::time,
      "when the right label's probability reaches (1 + 1/N) / 2; inf where nothing moves, nan where it is not reached");
  by_n("onset_time", &Curve::onset, "when it reaches 1/N; nan where L = N");
  by_n("context_label_mass_at_onset", &Curve::context_at_onset, "CLA then");
  by_n("asymptote", &Curve::asymptote, "transition_time to leading order in N");
  by_n("local_exponent", &Curve::local_exponent, "slope of ln transition_time against ln N from the N before");
  by_n("xi", &Curve::xi, "the classifier's alignment at transition_time");
  by_n("alpha", &Curve::alpha, "layer 2's logit at transition_time");
  by_n("beta_1", &Curve::beta_1, "layer 1's logit at transition_time");
  table.constants.push_back(
      {"exponent", {"family"}, exponent, "of transition_time in N, fitted to the larger half of the N"});
  table.constants.push_back({"exponent_standard_error", {"family"}, error, "from the fit's residuals"});
  table.constants.push_back({"fit_intercept", {"family"}, intercept, "ln of the fitted transition_time at N = 1"});
  return table;
}

Findings run(const Settings& s, const StudyContext& context) {
  const std::vector<Family> families = s.families();
  std::vector<Curve> curves(families.size());
  context.pool.run(static_cast<int>(families.size()), [&](int i, int) {
    curves[static_cast<std::size_t>(i)] = curve_of(s, families[static_cast<std::size_t>(i)]);
  });
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < families.size(); ++i) lines.push_back(line_of(s, families[i], curves[i]));
  return {{table_of(s, families, curves)}, lines};
}

}  // namespace

Study transition_times_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_classification
