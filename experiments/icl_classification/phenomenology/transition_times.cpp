#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

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
  std::vector<std::int64_t> fixed_n_pairs = {8, 32};
  NestedLogits attention;
  Descent descent;
  double last_time = 1e9;

  void fields(Fields& f) {
    f.field("n_pairs", n_pairs, "numbers of pairs (N)", between(2, 1 << 20));
    f.field("ratios", ratios, "labels a pair (L / N), one curve each", between(2, 1024));
    f.field("surpluses", surpluses, "labels beyond the pairs (L - N), one curve each", between(0, 1 << 20));
    f.field("fixed_n_pairs", fixed_n_pairs, "numbers of pairs at which the labels alone grow, from N + 1 to 16 N",
            between(2, 1 << 20));
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

constexpr std::size_t fewest_to_fit = 3;  // two points lie on every power law

bool is_jump(double time) { return std::isfinite(time) && time > 0; }

/// To leading order in N; nan where M does not grow with N, so that there is no such order.
double asymptote_of(const Settings& s, const NestedLogits& model) {
  return s.attention.competing_tokens ? nan : asymptotic_transition_time(model, s.descent);
}

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
    out.asymptote.push_back(asymptote_of(s, model));
    out.xi.push_back(found.logits[at_xi]);
    out.alpha.push_back(found.logits[at_alpha]);
    out.beta_1.push_back(found.logits[at_beta_1]);
    const auto n = static_cast<double>(model.n_pairs);
    const bool both = i > 0 && is_jump(found.time) && is_jump(out.time[i - 1]);
    out.local_exponent.push_back(
        both ? std::log(found.time / out.time[i - 1]) / std::log(n / static_cast<double>(s.n_pairs[i - 1])) : nan);
    if (2 * i < s.n_pairs.size() - 1 || !is_jump(found.time)) continue;
    fitted_n.push_back(n);
    fitted_time.push_back(found.time);
  }
  if (fitted_n.size() >= fewest_to_fit) out.fit = fit_power_law(fitted_n, fitted_time);
  return out;
}

/// Why there is no time of a jump, or "".
std::string why_none(const Settings& s, double time) {
  if (std::isinf(time)) return "nothing moves, t* is infinite";
  if (std::isnan(time)) return fmt::format("no jump by {:g}", s.last_time);
  return time == 0 ? "the start is past the jump" : "";
}

std::string line_of(const Settings& s, const Family& family, const Curve& curve) {
  std::vector<std::string> parts;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> without;  // why, at which N
  std::optional<std::size_t> last;
  for (std::size_t i = 0; i < curve.time.size(); ++i) {
    const std::string why = why_none(s, curve.time[i]);
    if (why.empty()) {
      last = i;
    } else if (without.empty() || without.back().first != why) {
      without.push_back({why, {s.n_pairs[i]}});
    } else {
      without.back().second.push_back(s.n_pairs[i]);
    }
  }
  if (last) {
    const std::int64_t n = s.n_pairs[*last];
    const double time = curve.time[*last], local = curve.local_exponent[*last], asymptote = curve.asymptote[*last];
    std::string text = std::isnan(local) ? fmt::format("t* is {:.5g} at N = {}", time, n)
                                         : fmt::format("t* ~ N^{:.4f} at N = {}, where it is {:.5g}", local, n, time);
    if (!std::isnan(asymptote)) text += fmt::format(", {:.4f} of the asymptote", time / asymptote);
    parts.push_back(text);
    parts.push_back(std::isnan(curve.fit.exponent)
                        ? "too few jumps among the larger N to fit an exponent"
                        : fmt::format("one power of N for the larger half of them would be {:.4f}, and leaves a "
                                      "residual of {:.2g} in ln t*",
                                      curve.fit.exponent, curve.fit.residual));
  }
  for (const auto& [why, where] : without) {
    parts.push_back(where.size() == curve.time.size() ? why : fmt::format("at N = {} {}", fmt::join(where, ", "), why));
  }
  return fmt::format("{}: {}", family.name(), fmt::join(parts, "; "));
}

/// The jump against L at one N each: L = N + surplus, up to `most_ratio` N.
struct ByLabels {
  std::vector<std::int64_t> surpluses;
  std::vector<double> time, asymptote;  // [fixed_n_pairs, surplus]; nan beyond

  double at(const std::vector<double>& values, std::size_t n, std::size_t surplus) const {
    return values[n * surpluses.size() + surplus];
  }
};
constexpr std::int64_t most_ratio = 16;

ByLabels by_labels(const Settings& s, ThreadPool& pool) {
  ByLabels out;
  const auto last_of = [](std::int64_t n) { return (most_ratio - 1) * n; };
  for (const std::int64_t n : s.fixed_n_pairs) {  // powers of two, and where each curve ends
    for (std::int64_t surplus = 1; surplus < last_of(n); surplus *= 2) out.surpluses.push_back(surplus);
    out.surpluses.push_back(last_of(n));
  }
  std::ranges::sort(out.surpluses);
  out.surpluses.erase(std::unique(out.surpluses.begin(), out.surpluses.end()), out.surpluses.end());
  const std::size_t columns = out.surpluses.size();
  out.time.assign(s.fixed_n_pairs.size() * columns, nan);
  out.asymptote = out.time;
  pool.run(static_cast<int>(out.time.size()), [&](int task, int) {
    const auto i = static_cast<std::size_t>(task);
    NestedLogits model = s.attention;
    model.n_pairs = s.fixed_n_pairs[i / columns];
    model.n_labels = model.n_pairs + out.surpluses[i % columns];
    if (model.n_labels > most_ratio * model.n_pairs) return;
    out.time[i] = transition(model, s.descent, s.last_time).time;
    out.asymptote[i] = asymptote_of(s, model);
  });
  return out;
}

/// L = N + 1, 16 N and, where N is a power of two, 2 N.
std::string line_of(const Settings& s, const ByLabels& found, std::size_t n) {
  const std::int64_t pairs = s.fixed_n_pairs[n];
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < found.surpluses.size(); ++i) {
    const std::int64_t surplus = found.surpluses[i];
    if (surplus != 1 && surplus != pairs && surplus != (most_ratio - 1) * pairs) continue;
    const double time = found.at(found.time, n, i);
    const std::string why = why_none(s, time);
    parts.push_back(fmt::format("{} at L = {}", why.empty() ? fmt::format("{:.5g}", time) : why, pairs + surplus));
  }
  return fmt::format("N = {}: t* is {}", pairs, fmt::join(parts, ", "));
}

void add_by_labels(Table& table, const Settings& s, const ByLabels& found) {
  if (s.fixed_n_pairs.empty()) return;
  table.dims.push_back({.name = "fixed_n_pairs",
                        .long_name = "pairs in the context (N) while the labels grow",
                        .values = {s.fixed_n_pairs.begin(), s.fixed_n_pairs.end()}});
  table.dims.push_back({.name = "surplus",
                        .long_name = "labels beyond the pairs (L - N)",
                        .values = {found.surpluses.begin(), found.surpluses.end()}});
  table.constants.push_back({"transition_time_by_labels",
                             {"fixed_n_pairs", "surplus"},
                             found.time,
                             "transition_time at fixed N; nan beyond L = 16 N, or where it is not reached"});
  table.constants.push_back({"asymptote_by_labels",
                             {"fixed_n_pairs", "surplus"},
                             found.asymptote,
                             "transition_time_by_labels to leading order in N"});
}

Table table_of(const Settings& s, const std::vector<Family>& families, const std::vector<Curve>& curves) {
  Table table{.group = "transition_times",
              .growing = "",
              .dims = {{.name = "family", .long_name = "how the labels (L) grow with the pairs (N)"},
                       {.name = "n_pairs",
                        .long_name = "pairs in the context (N)",
                        .values = {s.n_pairs.begin(), s.n_pairs.end()}}}};
  std::vector<double> exponent, residual, intercept;
  for (std::size_t i = 0; i < curves.size(); ++i) {
    table.dims[0].labels.push_back(families[i].name());
    exponent.push_back(curves[i].fit.exponent);
    residual.push_back(curves[i].fit.residual);
    intercept.push_back(curves[i].fit.intercept);
  }
  const auto by_n = [&](const char* name, std::vector<double> Curve::*member, const char* doc) {
    std::vector<double> values;
    for (const Curve& curve : curves) values.insert(values.end(), (curve.*member).begin(), (curve.*member).end());
    table.constants.push_back({name, {"family", "n_pairs"}, std::move(values), doc});
  };
  by_n("transition_time", &Curve::time,
       "when the right label's probability reaches (1 + 1/N) / 2; inf where nothing moves, nan where it is not reached "
       "by last_time, 0 where the start is past it");
  by_n("onset_time", &Curve::onset, "when it reaches 1/N; nan where L = N");
  by_n("context_label_mass_at_onset", &Curve::context_at_onset, "CLA then");
  by_n("asymptote", &Curve::asymptote, "transition_time to leading order in N; nan outside what that assumes");
  by_n("local_exponent", &Curve::local_exponent, "slope of ln transition_time against ln N from the N before");
  by_n("xi", &Curve::xi, "the classifier's alignment at transition_time");
  by_n("alpha", &Curve::alpha, "layer 2's logit at transition_time");
  by_n("beta_1", &Curve::beta_1, "layer 1's logit at transition_time");
  table.constants.push_back(
      {"exponent", {"family"}, exponent, "of transition_time in N, fitted to the larger half of the N"});
  table.constants.push_back(
      {"fit_residual", {"family"}, residual, "root mean square of ln transition_time about the fitted line"});
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
  const ByLabels labels = by_labels(s, context.pool);
  for (std::size_t n = 0; n < s.fixed_n_pairs.size(); ++n) lines.push_back(line_of(s, labels, n));
  Table table = table_of(s, families, curves);
  add_by_labels(table, s, labels);
  return {{table}, lines};
}

}  // namespace

Study transition_times_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_classification
