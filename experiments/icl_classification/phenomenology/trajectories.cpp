#include <fmt/format.h>

#include <cmath>
#include <memory>

#include "experiments/icl_classification/phenomenology/flow.h"
#include "experiments/icl_classification/phenomenology/studies.h"

namespace saltus::icl_classification {
namespace {

/// The values of a key for every case: one each, or one for all.
template <class T>
T of_case(const std::vector<T>& values, std::size_t i) {
  return values.size() == 1 ? values[0] : values[i];
}

struct Settings {
  std::vector<std::string> cases = {"L > N"};
  std::vector<std::int64_t> n_pairs = {8}, n_labels = {32};
  NestedLogits layer_1;
  std::vector<double> item_weight = {0}, xi = {0}, alpha = {0}, beta_1 = {0}, xi_rate = {1}, alpha_rate = {1},
                      beta_1_rate = {1};
  double duration = 1.5, stuck_duration = 200, last_time = 1e9;
  std::int64_t points = 600;

  void fields(Fields& f) {
    f.field("cases", cases, "their names; every list below has one value for all cases or one for each");
    f.field("n_pairs", n_pairs, "item-label pairs in the context (N)", between(2, 1 << 20));
    f.field("n_labels", n_labels, "labels (L), at least as many as pairs", between(2, 1 << 30));
    layer_1.layer_1_fields(f);
    f.field("item_weight", item_weight, item_weight_doc, at_least(0));
    f.field("xi", xi, "the classifier's alignment at time 0");
    f.field("alpha", alpha, "layer 2's logit at time 0");
    f.field("beta_1", beta_1, "layer 1's logit at time 0");
    f.field("xi_rate", xi_rate, "rate at which xi descends the loss; 0 holds it where it starts", at_least(0));
    f.field("alpha_rate", alpha_rate, "the same of alpha", at_least(0));
    f.field("beta_1_rate", beta_1_rate, "the same of beta_1", at_least(0));
    f.field("duration", duration, "recorded time of a case, in units of its transition time", above(0));
    f.field("stuck_duration", stuck_duration, "recorded time of a case without a transition", above(0));
    f.field("last_time", last_time, "time by which a transition is waited for", above(0));
    f.field("points", points, "recorded times, evenly spaced", between(2, 100000));
    f.require(!cases.empty(), "cases", "must name one or more cases");
    const auto each = [&](const char* key, std::size_t count) {
      f.require(count == 1 || count == cases.size(), key,
                fmt::format("{} values for {} cases: give one, or one for each", count, cases.size()));
      return count == 1 || count == cases.size();
    };
    each("item_weight", item_weight.size());
    each("xi", xi.size()), each("alpha", alpha.size()), each("beta_1", beta_1.size());
    each("xi_rate", xi_rate.size()), each("alpha_rate", alpha_rate.size()), each("beta_1_rate", beta_1_rate.size());
    const bool pairs = each("n_pairs", n_pairs.size()), labels = each("n_labels", n_labels.size());
    for (std::size_t i = 0; pairs && labels && i < cases.size(); ++i) {
      f.require(of_case(n_labels, i) >= of_case(n_pairs, i), "n_labels",
                fmt::format("{} labels for {} pairs in '{}': at least {} are needed", of_case(n_labels, i),
                            of_case(n_pairs, i), cases[i], of_case(n_pairs, i)));
    }
  }

  NestedLogits model(std::size_t i) const {
    NestedLogits out = layer_1;
    out.n_pairs = of_case(n_pairs, i);
    out.n_labels = of_case(n_labels, i);
    out.item_weight = of_case(item_weight, i);
    return out;
  }
  Descent descent(std::size_t i) const {
    return {.start = {of_case(xi, i), of_case(alpha, i), of_case(beta_1, i)},
            .rates = {of_case(xi_rate, i), of_case(alpha_rate, i), of_case(beta_1_rate, i)}};
  }
};

/// All cases, one after the other: [case, point], and [case] where said so.
struct Curves {
  std::vector<double> time, xi, alpha, beta_1, loss, right, context, item, target, labels;
  std::vector<double> jump, onset, context_at_onset;  // [case]

  void add(const NestedLogits& model, const Descent& descent, const Transition& found, double last, int points) {
    const NestedFlow flow = nested_flow(model, descent, linear_times(0, last, points));
    time.insert(time.end(), flow.times.begin(), flow.times.end());
    for (const Logits& at : flow.logits) {
      xi.push_back(at[at_xi]);
      alpha.push_back(at[at_alpha]);
      beta_1.push_back(at[at_beta_1]);
      loss.push_back(icl_classification::loss(model, at));
      const NestedMeasures m = measures(model, at);
      right.push_back(m.right_label);
      context.push_back(m.context_label);
      item.push_back(m.item_label);
      target.push_back(m.target_item_label);
      labels.push_back(m.target_labels);
    }
    jump.push_back(found.time);
    onset.push_back(found.onset);
    context_at_onset.push_back(measures(model, found.at_onset).context_label);
  }

  std::vector<Constant> constants() const {
    const std::vector<std::string> curve = {"case", "point"}, one = {"case"};
    return {{"right_label", curve, right, "probability of the right label: accuracy's counterpart"},
            {"time", curve, time, "time of the flow"},
            {"xi", curve, xi, "the classifier's alignment"},
            {"alpha", curve, alpha, "layer 2's logit"},
            {"beta_1", curve, beta_1, "layer 1's logit"},
            {"loss", curve, loss, "loss in nats"},
            {"context_label_mass", curve, context, "CLA: probability of the context's labels"},
            {"item_label", curve, item, "ILA: a label token's attention to its item"},
            {"target_item_label", curve, target, "TILA: the target's attention to the right label"},
            {"target_labels", curve, labels, "TLA: the target's attention to all labels"},
            {"transition_time", one, jump, "when right_label reaches (1 + 1/N) / 2; inf where nothing moves"},
            {"onset_time", one, onset, "when right_label reaches 1/N; nan where L = N"},
            {"context_label_mass_at_onset", one, context_at_onset, "CLA then"}};
  }
};

std::string line_of(const std::string& name, const Curves& curves) {
  if (std::isinf(curves.jump.back())) return fmt::format("{}: a fixed point of the flow, no jump", name);
  if (std::isnan(curves.jump.back())) return fmt::format("{}: no jump", name);
  if (std::isnan(curves.onset.back())) return fmt::format("{}: jumps at {:.4g}", name, curves.jump.back());
  return fmt::format("{}: better than a guess from {:.4g}, with CLA {:.3f}; jumps at {:.4g}", name, curves.onset.back(),
                     curves.context_at_onset.back(), curves.jump.back());
}

Findings run(const Settings& s, const StudyContext&) {
  Curves curves;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < s.cases.size(); ++i) {
    const NestedLogits model = s.model(i);
    const Descent descent = s.descent(i);
    const Transition found = transition(model, descent, s.last_time);
    const bool jumps = std::isfinite(found.time) && found.time > 0;
    curves.add(model, descent, found, jumps ? s.duration * found.time : s.stuck_duration, static_cast<int>(s.points));
    lines.push_back(line_of(s.cases[i], curves));
  }
  Table table{.group = "trajectories",
              .growing = "",
              .dims = {{.name = "case", .labels = s.cases}, {.name = "point", .size = s.points}}};
  table.constants = curves.constants();
  return {{std::move(table)}, lines};
}

}  // namespace

Study trajectories_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_classification
