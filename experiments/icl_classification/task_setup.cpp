#include "experiments/icl_classification/task_setup.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "probes/classification.h"

namespace saltus::icl_classification {
namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

double ratio(std::int64_t a, std::int64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

double context_label(const IclClassificationConfig& c, const icl::Recipe& recipe) {
  const bool bursts = recipe.p_bursty == 1 || recipe.p_novel == 1;
  const bool shown = recipe.target != icl::Target::outside;
  const bool distinct = c.distinct_labels || recipe.target == icl::Target::same_label;
  return bursts && shown && distinct ? ratio(1, c.n_context_classes()) : unknown;
}

double commonest_map(const IclClassificationConfig& c) {
  double total = 0;
  for (std::int64_t tau = 0; tau < c.n_maps; ++tau) {
    total += std::pow(static_cast<double>(tau + 1), -c.map_zipf_exponent);
  }
  return 1 / total;
}

double target_alone(const IclClassificationConfig& c, const icl::Recipe& recipe) {
  const double novel = ratio(1, c.n_labels);
  if (recipe.label_shift > 0 || recipe.held_out_labels) return 0;
  const double known = c.relabelled() ? ratio(1, c.n_labels - c.n_held_out())
                                      : commonest_map(c) / static_cast<double>(c.labels_per_class);
  return recipe.p_novel * novel + (1 - recipe.p_novel) * known;
}

double labels_alone(const IclClassificationConfig& c, const icl::Recipe& recipe) {
  const bool holds = recipe.target == icl::Target::outside && recipe.p_bursty == 1 && recipe.p_novel == 0 &&
                     c.distinct_labels && c.burst_class_law == "uniform" && c.map_zipf_exponent == 0 &&
                     c.labels_per_class == 1;
  if (!holds) return unknown;
  const std::int64_t shown = c.n_context_classes();
  double all_shown = 1;
  for (std::int64_t i = 0; i < c.n_maps; ++i) all_shown *= ratio(std::max<std::int64_t>(shown - i, 0), c.n_labels - i);
  return (static_cast<double>(c.n_classes) - static_cast<double>(c.n_labels) * all_shown) /
         static_cast<double>(c.n_maps * (c.n_classes - shown));
}

/// The set whose accuracy the second headline shows: in-weights learning or what comes closest.
std::string second_headline(const std::vector<std::string>& sets, const std::string& first) {
  for (const char* name : {"iw", "held_out", "meta", "ic", "iid"}) {
    if (name != first && std::ranges::find(sets, name) != sets.end()) return name;
  }
  return first;
}

}  // namespace

Experiment::Fact guess_levels(const IclClassificationConfig& c) {
  std::vector<std::string> names;
  std::vector<double> values;
  for (const icl::TestSet& set : icl::test_sets(c)) {
    names.push_back(set.name);
    values.insert(values.end(), {ratio(1, c.n_labels), context_label(c, set.recipe), target_alone(c, set.recipe),
                                 labels_alone(c, set.recipe)});
  }
  const std::vector<std::string> guesses = {"any_label", "context_label", "target_alone", "labels_alone"};
  return {{"guess_accuracy",
           "accuracy of who reads a part of the sequence only; nan where there is no formula",
           {{.name = "evalset", .labels = names}, {.name = "guess", .labels = guesses}}},
          values};
}

void set_up_task(Experiment& e, const IclClassificationConfig& config, const Seeds& seeds) {
  e.task = std::make_unique<IclClassification>(config, seeds);
  e.eval = std::make_unique<ClassificationProbe>(IclClassification::label_field);
  e.progress_set = config.target_in_context ? "ic" : "iid";
  e.headlines = {{e.progress_set, "accuracy"}, {second_headline(e.task->eval_sets(), e.progress_set), "accuracy"}};
  e.facts.push_back(guess_levels(config));
}

}  // namespace saltus::icl_classification
