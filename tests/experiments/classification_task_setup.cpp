// What an experiment on icl_classification says of its task: sets, headlines, and the accuracies of partial readers.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "data/icl_sequences.h"
#include "experiments/icl_classification/task_setup.h"

using namespace saltus;
using namespace saltus::icl_classification;

namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

/// guess_levels by name: "ic context_label".
std::map<std::string, double> levels(const IclClassificationConfig& config) {
  const Experiment::Fact fact = guess_levels(config);
  REQUIRE(static_cast<std::int64_t>(fact.values.size()) == fact.measure.size());
  std::map<std::string, double> out;
  auto value = fact.values.begin();
  for (const std::string& set : fact.measure.dims[0].labels) {
    for (const std::string& guess : fact.measure.dims[1].labels) out[set + " " + guess] = *value++;
  }
  return out;
}

/// Three maps on the smallest task that shows them: every class has its own label.
IclClassificationConfig three_maps() {
  IclClassificationConfig config = noiseless();
  config.n_classes = config.n_labels = 8;
  config.novel_pool = 8;
  config.n_pairs = 4;
  config.p_novel = 0;
  config.n_maps = 3;
  config.target_in_context = false;
  return config;
}

std::string shown(const IclClassificationConfig& config) {
  Experiment e;
  set_up_task(e, config, seeds);
  std::string text = "progress on " + e.progress_set;
  for (const Experiment::Headline& h : e.headlines) text += ", " + h.label();
  return text;
}

}  // namespace

TEST_CASE("progress and headlines are on sets that the task has") {
  CHECK(shown({}) == "progress on ic, ic, iw");
  CHECK(shown(three_maps()) == "progress on iid, iid, ic");
  IclClassificationConfig config;
  config.n_maps = 2;
  CHECK(shown(config) == "progress on ic, ic, meta");
  config = {};
  config.label_law = "relabelled";
  CHECK(shown(config) == "progress on ic, ic, iid");
  config.relabel_held_out = 0.25;
  CHECK(shown(config) == "progress on ic, ic, held_out");
}

TEST_CASE("guess levels of the default task") {
  const auto of = levels({});
  CHECK(of.at("iw any_label") == Approx(1 / 32.0));
  for (const char* set : {"iid", "ic", "ic2", "ciwl"}) CHECK(of.at(set + std::string(" context_label")) == 1 / 8.0);
  CHECK(std::isnan(of.at("iw context_label")));
  CHECK(of.at("iid target_alone") == Approx(0.2 + 0.8 / 32));  // p_novel is 0.8
  CHECK(of.at("ic target_alone") == Approx(1 / 32.0));
  CHECK(of.at("ic2 target_alone") == 0);
  CHECK(of.at("iw target_alone") == 1);
  CHECK(std::isnan(of.at("iid labels_alone")));
}

TEST_CASE("guess levels with several labels a class, with labels drawn afresh, and with maps of unlike frequency") {
  IclClassificationConfig config;
  config.p_novel = 0;
  config.labels_per_class = 4;
  CHECK(levels(config).at("iw target_alone") == 1 / 4.0);
  config.labels_per_class = 1;
  config.label_law = "relabelled";
  config.relabel_held_out = 0.25;
  CHECK(levels(config).at("iid target_alone") == 1 / 24.0);
  CHECK(levels(config).at("held_out target_alone") == 0);
  config = {};
  config.n_maps = 3;
  config.map_zipf_exponent = 1;
  CHECK(levels(config).at("meta target_alone") == Approx(6 / 11.0));
}

TEST_CASE("labels_alone: naming an answer that the context does not show is right as often as its formula says") {
  IclClassificationConfig config = three_maps();
  config.n_classes = GENERATE(8, 24);
  config.burstiness = GENERATE(1, 2);
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 20000;
  const Sequences s = eval_sequences(task, "iid", n);
  int right = 0;
  for (int i = 0; i < n; ++i) {
    const int k = class_of(s.content(i, 8));
    const auto labels = s.labels_of(i);
    int answer = k % 8;
    for (int tau = 2; tau >= 0; --tau) {
      if (std::find(labels.begin(), labels.end(), (k + tau) % 8) == labels.end()) answer = (k + tau) % 8;
    }
    right += answer == s.asked(i);
  }
  const double expected = levels(config).at("iid labels_alone");
  CHECK(deviations(right / static_cast<double>(n), expected, n) < 4);
  if (config.n_classes == 8 && config.burstiness == 1) CHECK(expected == Approx(13 / 21.0));
  CHECK(levels(config).at("iid target_alone") == Approx(1 / 3.0));
}
