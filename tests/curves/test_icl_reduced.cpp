#include <catch2/catch.hpp>

#include "config/reader.h"
#include "curves/training.h"
#include "experiments/registry.h"
#include "train/evaluator.h"

using namespace saltus;
using tests::check_losses;
using tests::Training;

namespace {

TrainConfig read(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  TrainConfig config(systems());
  read_config_text("small.yaml", yaml, parse_overrides(overrides), [&](Fields& f) { config.fields(f); });
  return config;
}

/// configs/icl_classification/minimal.yaml made small: 4 pairs, 8 labels, every class novel.
constexpr const char* minimal = R"(
system: icl_minimal
steps: 1000
batch_size: 32
task: {n_classes: 32, n_labels: 8, n_pairs: 4, max_pairs: 4, item_dim: 23, novel_pool: 32, p_novel: 1}
model: {classifier_width: 32, classifier_layers: 1}
optimizer: {kind: adam, learning_rate: 0.003}
eval: {every: 100, size: 256}
)";

/// configs/icl_classification/split.yaml made small.
constexpr const char* split = R"(
system: icl_split
steps: 600
batch_size: 32
task: {n_classes: 16, n_pairs: 8, item_dim: 15, within_class_noise: 0}
model: {classifier_width: 32, classifier_layers: 1}
optimizer: {kind: sgd, learning_rate: 0.2}
eval: {every: 100, size: 256}
)";

/// One number of an evaluation, by name; of the last layer if there are several.
double progress(const Training& run, const Evaluator::Result& r, const std::string& name) {
  std::size_t at = 0;
  for (const Measure& m : run.experiment->progress->measures()) {
    at += static_cast<std::size_t>(m.size());
    if (m.name == name) return r.progress[at - 1];
  }
  FAIL("no measure " << name);
  return 0;
}

double eval(const Training& run, const Evaluator::Result& r, const std::string& set, const std::string& name) {
  const std::vector<Measure> all = run.experiment->eval->measures();
  for (std::size_t m = 0; m < all.size(); ++m) {
    if (all[m].name == name) return r.eval[static_cast<std::size_t>(eval_set_index(*run.experiment->task, set))][m];
  }
  FAIL("no measure " << name);
  return 0;
}

Evaluator::Result measured(Training& run) { return Evaluator(*run.experiment, run.config.eval.size, run.pool).run(); }

}  // namespace

TEST_CASE("a small minimal model learns in context abruptly, along its pinned loss curve") {
  Training three(read(minimal));
  three.advance(200);
  CHECK(eval(three, measured(three), "ic", "accuracy") < 0.4);  // a guess among the labels shown: 1/4
  three.advance(400);
  CHECK(eval(three, measured(three), "ic", "accuracy") > 0.98);
  three.advance(400);
  check_losses(three.losses, {{0, 2.08321559}, {1, 2.07647109}, {10, 2.10035396}, {100, 2.05270064}, {200, 1.91046977}},
               1e-5);
  check_losses(three.losses, {{400, 0.11130166}, {600, 0.01648711}, {999, 0.00755069}}, 2e-3);  // steep after the jump
}

TEST_CASE("it does so without beta_2, later") {
  Training two(read(minimal, {"model.labels.train=false"}));
  two.advance(300);
  CHECK(eval(two, measured(two), "ic", "accuracy") < 0.75);  // 0.88 with it
  two.advance(400);
  CHECK(eval(two, measured(two), "ic", "accuracy") > 0.98);
  check_losses(two.losses, {{0, 2.08321559}, {1, 2.07644391}, {100, 2.05570078}, {200, 2.01238859}}, 1e-5);
}

TEST_CASE("a strength that is held stays where it is, to the bit, whatever the decay; the others are what is stored") {
  Training run(read(minimal, {"model.labels.train=false", "model.labels.start=0.3", "optimizer.kind=sgd",
                              "optimizer.learning_rate=0.1", "optimizer.decay=0.01"}));
  run.advance(50);
  const Evaluator::Result r = measured(run);
  CHECK(progress(run, r, "label_strength") == static_cast<double>(0.3f));
  CHECK(progress(run, r, "match_strength") != 0);
  CHECK(progress(run, r, "match_strength") == static_cast<double>(run.experiment->params.view("match_strength")[0]));
  CHECK(progress(run, r, "previous_token_strength") ==
        static_cast<double>(run.experiment->params.view("previous_token_strength")[0]));
}

TEST_CASE("a split model memorises few items and copies many") {
  Training few(read(split, {"task.n_classes=8"})), many(read(split, {"task.n_classes=256"}));
  few.advance(600), many.advance(600);
  check_losses(few.losses, {{0, 0.748172313}, {10, 0.5951679349}, {100, 0.0783397742}, {599, 0.0042644069}}, 1e-4);
  const Evaluator::Result of_few = measured(few), of_many = measured(many);
  CHECK(eval(few, of_few, "iid", "loss") < 0.02);
  CHECK(eval(few, of_few, "iid", "in_weights_loss") < 0.02);
  CHECK(eval(few, of_few, "ic", "in_context_loss") > 0.6);
  CHECK(eval(many, of_many, "iid", "loss") < 0.05);
  CHECK(eval(many, of_many, "iid", "in_weights_loss") > 0.6);
  CHECK(eval(many, of_many, "ic", "in_context_loss") < 0.05);
  CHECK(eval(many, of_many, "ic2", "accuracy") > 0.95);
}
