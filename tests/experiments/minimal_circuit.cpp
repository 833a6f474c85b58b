#include <catch2/catch.hpp>
#include <cmath>
#include <map>

#include "config/reader.h"
#include "data/icl_classification.h"
#include "experiments/registry.h"
#include "train/config.h"
#include "train/evaluator.h"

using namespace saltus;

namespace {

TrainConfig read(const std::string& yaml) {
  TrainConfig config(systems());
  read_config_text("x.yaml", yaml, {}, [&](Fields& f) { config.fields(f); });
  return config;
}

std::string refusal(const std::string& yaml) {
  try {
    read(yaml);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

/// The minimal model with both attention steps set by hand, as a config can say it, and the ideal read-out: the logit
/// of a label is its vector's product with layer 2's output. In 255 dimensions unrelated contents have products of 0 +-
/// 0.063.
struct Planted {
  std::map<std::string, double> progress;  // of layer 2 for the measures of attention
  double ic, ic2, iw, item_label, prev_token;

  explicit Planted(const std::string& strengths) {
    const TrainConfig config =
        read("system: icl_minimal\ntask: {item_dim: 255}\nmodel:\n  classifier_layers: 0\n" + strengths);
    const auto e = build_experiment(config);
    const auto& task = dynamic_cast<const IclClassification&>(*e->task);
    const std::span<float> read_out = e->params.view("unembed.W_U");  // [target's and output's content, label]
    for (std::size_t row = 0; row < 510; ++row) {
      for (std::size_t l = 0; l < 32; ++l) {
        read_out[row * 32 + l] = row < 255 ? 0 : 100 * task.label_vector(static_cast<int>(l))[row - 255];
      }
    }
    ThreadPool pool(1);
    const Evaluator::Result r = Evaluator(*e, 256, pool).run();
    std::size_t at = 0;
    for (const Measure& m : e->progress->measures()) {
      at += static_cast<std::size_t>(m.size());
      progress[m.name] = r.progress[at - 1];
    }
    item_label = r.progress[0], prev_token = r.progress[2];
    const auto accuracy = [&](const char* set) {
      return r.eval[static_cast<std::size_t>(eval_set_index(task, set))][1];
    };
    ic = accuracy("ic"), ic2 = accuracy("ic2"), iw = accuracy("iw");
  }
};

}  // namespace

TEST_CASE("the minimal model at 0 attends uniformly, in both layers") {
  const Planted at_start("  match: {start: 0}\n");
  double item_label = 0;
  for (int k = 1; k <= 8; ++k) item_label += 1.0 / (2 * k) / 8;
  CHECK(at_start.item_label == Approx(item_label).epsilon(1e-6));
  CHECK(at_start.progress.at("target_item_label") == Approx(1 / 17.0).epsilon(1e-6));
  CHECK(at_start.progress.at("target_labels") == Approx(8 / 17.0).epsilon(1e-6));
  CHECK(at_start.progress.at("target_attention_entropy") == Approx(std::log(17)).epsilon(1e-5));
  CHECK(at_start.ic < 0.3);  // at best one of the eight labels in the context, all alike
}

TEST_CASE("the minimal model with all three strengths large is an induction head") {
  const Planted large("  previous_token: {start: 20}\n  match: {start: 60}\n  labels: {start: 30}\n");
  CHECK(large.item_label > 0.999);
  CHECK(large.prev_token > 0.999);
  CHECK(large.progress.at("target_item_label") > 0.999);
  CHECK(large.progress.at("target_labels") > 0.999);
  CHECK(large.progress.at("context_label_mass") > 0.99);
  CHECK(large.ic > 0.99);
  CHECK(large.ic2 > 0.99);
  CHECK(large.iw < 0.2);  // the target's class is in the context in 3% only, else the nearest item's label wins
}

TEST_CASE("without beta_2 only the first token competes: it has no predecessor and keeps its own item") {
  const Planted two("  previous_token: {start: 20}\n  match: {start: 60}\n  labels: {start: 0, train: false}\n");
  // Where the target's class comes first, one time in eight, its item matches as well as its label's buffer does: both
  // scores are the product of target and item, so each gets half.
  CHECK(two.progress.at("target_item_label") == Approx(1 - 0.5 / 8).margin(0.02));
  CHECK(two.progress.at("target_item_item") == Approx(0.5 / 8).margin(0.02));
  CHECK(two.ic > 0.99);
}

TEST_CASE("the strengths are series of the run, held or not") {
  const Planted p(
      "  previous_token: {start: 0.1}\n  match: {start: -2, train: false}\n  labels: {start: 0.3}\n  scalar_scale: "
      "4\n");
  CHECK(p.progress.at("previous_token_strength") == Approx(0.1).epsilon(1e-7));
  CHECK(p.progress.at("match_strength") == -2);
  CHECK(p.progress.at("label_strength") == Approx(0.3).epsilon(1e-7));
}

TEST_CASE("what the reduced models refuse") {
  CHECK(refusal("system: icl_minimal\nmodel: {match: 3}\n") ==
        "x.yaml:2:16: error: model.match: expected a mapping of keys, got number 3\n"
        "  2 | model: {match: 3}\n"
        "    |                ^");
  CHECK(refusal("system: icl_minimal\nmodel: {scalar_scale: 0}\n") ==
        "x.yaml:2:23: error: model.scalar_scale: must be > 0, got 0\n"
        "  2 | model: {scalar_scale: 0}\n"
        "    |                       ^");
  CHECK(refusal("system: icl_split\ntask: {n_labels: 4}\n") ==
        "x.yaml:2:18: error: task.n_labels: n_labels is 4; the labels of this model are +1 and -1, so it must be 2\n"
        "  2 | task: {n_labels: 4}\n"
        "    |                  ^");
}
