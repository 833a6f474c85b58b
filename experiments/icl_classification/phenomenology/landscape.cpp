#include <fmt/format.h>

#include <memory>

#include "experiments/icl_classification/phenomenology/flow.h"
#include "experiments/icl_classification/phenomenology/studies.h"

namespace saltus::icl_classification {
namespace {

struct Settings {
  std::int64_t n_pairs = 8;
  std::vector<std::int64_t> n_labels = {32, 8};
  std::vector<double> beta_1 = {0, 4};
  NestedLogits attention;
  std::vector<double> xi_range = {-4, 16}, alpha_range = {-4, 16};
  std::int64_t cells = 121;
  std::vector<double> start_xi = {0}, start_alpha = {0};
  double first_time = 0.1, last_time = 1e4;
  std::int64_t points = 400;

  void fields(Fields& f) {
    f.field("n_pairs", n_pairs, "item-label pairs in the context (N)", between(2, 1 << 20));
    f.field("n_labels", n_labels, "numbers of labels (L), one landscape each", between(2, 1 << 30));
    f.field("beta_1", beta_1, "layer 1's logits, one landscape each");
    attention.attention_fields(f);
    f.field("xi_range", xi_range, "smallest and largest xi");
    f.field("alpha_range", alpha_range, "smallest and largest alpha");
    f.field("cells", cells, "grid points an axis", between(2, 2000));
    f.field("start_xi", start_xi, "xi at the start of every path");
    f.field("start_alpha", start_alpha, "alpha at the start of every path");
    f.field("first_time", first_time, "first recorded time of the paths after 0", above(0));
    f.field("last_time", last_time, "last time of the paths, on which beta_1 stays what it is", above(0));
    f.field("points", points, "recorded times, evenly on a log scale", between(10, 100000));
    f.require(!n_labels.empty() && *std::min_element(n_labels.begin(), n_labels.end()) >= n_pairs, "n_labels",
              fmt::format("must name one or more numbers, none below n_pairs ({})", n_pairs));
    f.require(!beta_1.empty(), "beta_1", "must name one or more values");
    f.require(xi_range.size() == 2 && xi_range[0] < xi_range[1], "xi_range", "must be [smallest, largest]");
    f.require(alpha_range.size() == 2 && alpha_range[0] < alpha_range[1], "alpha_range", "must be [smallest, largest]");
    f.require(start_xi.size() == start_alpha.size() && !start_xi.empty(), "start_alpha",
              fmt::format("{} values for {} of start_xi", start_alpha.size(), start_xi.size()));
    f.require(last_time > first_time, "last_time",
              fmt::format("last_time {} must be after first_time {}", last_time, first_time));
  }
};

/// All landscapes, one after the other, [n_labels, beta_1, ...].
struct Landscapes {
  std::vector<double> loss, path_xi, path_alpha, path_loss, slope;

  void add(const Settings& s, const NestedLogits& model, double beta_1, const std::vector<double>& xis,
           const std::vector<double>& alphas, const std::vector<double>& times) {
    for (const double xi : xis) {
      for (const double alpha : alphas) loss.push_back(icl_classification::loss(model, {xi, alpha, beta_1}));
    }
    for (std::size_t i = 0; i < s.start_xi.size(); ++i) {
      const Descent descent{.start = {s.start_xi[i], s.start_alpha[i], beta_1}, .rates = {1, 1, 0}};
      for (const Logits& at : nested_flow(model, descent, times).logits) {
        path_xi.push_back(at[at_xi]);
        path_alpha.push_back(at[at_alpha]);
        path_loss.push_back(icl_classification::loss(model, at));
      }
    }
    const Logits at_origin = gradient(model, {0, 0, beta_1});
    slope.insert(slope.end(), {-at_origin[at_xi], -at_origin[at_alpha]});
  }
};

Findings run(const Settings& s, const StudyContext&) {
  const std::vector<double> xis = linear_times(s.xi_range[0], s.xi_range[1], static_cast<int>(s.cells)),
                            alphas = linear_times(s.alpha_range[0], s.alpha_range[1], static_cast<int>(s.cells)),
                            times = log_times(s.first_time, s.last_time, static_cast<int>(s.points));
  Landscapes found;
  std::vector<std::string> lines;
  for (const std::int64_t labels : s.n_labels) {
    NestedLogits model = s.attention;
    model.n_pairs = s.n_pairs;
    model.n_labels = labels;
    for (const double beta_1 : s.beta_1) {
      found.add(s, model, beta_1, xis, alphas, times);
      lines.push_back(fmt::format(
          "L = {}, N = {}, beta_1 = {:g}: at the origin the loss is {:.4f} and falls by {:.4g} a unit of xi{}", labels,
          s.n_pairs, beta_1, loss(model, {0, 0, beta_1}), *(found.slope.end() - 2),
          *(found.slope.end() - 2) == 0 ? ", so that nothing moves" : ""));
    }
  }
  Table table{
      .group = "landscape",
      .growing = "",
      .dims = {{.name = "n_labels", .long_name = "labels (L)", .values = {s.n_labels.begin(), s.n_labels.end()}},
               {.name = "beta_1", .long_name = "layer 1's logit", .values = s.beta_1},
               {.name = "xi", .long_name = "the classifier's alignment", .values = xis},
               {.name = "alpha", .long_name = "layer 2's logit", .values = alphas},
               {.name = "start", .size = static_cast<std::int64_t>(s.start_xi.size())},
               {.name = "time", .long_name = "time of the gradient flow in (xi, alpha)", .values = times},
               {.name = "logit", .labels = {"xi", "alpha"}}}};
  const std::vector<std::string> path = {"n_labels", "beta_1", "start", "time"};
  table.constants = {
      {"loss", {"n_labels", "beta_1", "xi", "alpha"}, found.loss, "loss in nats"},
      {"path_xi", path, found.path_xi, "xi on the path of gradient flow"},
      {"path_alpha", path, found.path_alpha, "alpha on it"},
      {"path_loss", path, found.path_loss, "loss on it"},
      {"origin_slope", {"n_labels", "beta_1", "logit"}, found.slope, "minus the loss's derivative at the origin"},
      {"n_pairs", {}, std::vector<double>{static_cast<double>(s.n_pairs)}, "pairs in the context (N)"}};
  return {{std::move(table)}, lines};
}

}  // namespace

Study landscape_study() {
  auto settings = std::make_shared<Settings>();
  return {.settings = [settings](Fields& f) { settings->fields(f); },
          .run = [settings](const StudyContext& c) { return run(*settings, c); }};
}

}  // namespace saltus::icl_classification
