#include <catch2/catch.hpp>
#include <cmath>

#include "experiments/icl_classification/measures.h"
#include "experiments/icl_classification/model.h"
#include "probes/classification.h"
#include "train/evaluator.h"

using namespace saltus;
using namespace saltus::icl_classification;

namespace {

/// The experiment as a run builds it, for a task and a model given here, with drawn parameters.
std::unique_ptr<Experiment> experiment(const IclClassificationConfig& task, const ModelConfig& model) {
  auto e = std::make_unique<Experiment>();
  e->task = std::make_unique<IclClassification>(task, Seeds{});
  e->record = [task, model](Graph& graph, ParamStore& params, const Recording& r) {
    return record(graph, params, task, model, r.batch, r.purpose);
  };
  e->eval = std::make_unique<ClassificationProbe>(IclClassification::label_field);
  e->progress =
      std::make_unique<ProgressProbe>(task, static_cast<int>(model.n_layers), static_cast<int>(model.n_heads));
  e->progress_set = "ic";
  Graph graph;
  e->record(graph, e->params, e->whole(1, Purpose::train));
  e->params.initialise(Rng(0, Stream::init));
  return e;
}

/// Everything that an evaluation says about a network, by name.
struct Evaluation {
  Evaluator::Result result;
  std::vector<std::string> sets;

  Evaluation(Experiment& e, std::int64_t samples) : sets(e.task->eval_sets()) {
    ThreadPool pool(1);
    result = Evaluator(e, samples, pool).run();
  }
  double accuracy(const std::string& set) const {
    return result.eval[static_cast<std::size_t>(std::find(sets.begin(), sets.end(), set) - sets.begin())][1];
  }
  // Layout of the progress numbers for two layers of one head: [measure][layer], then the two context-label measures.
  double item_label(int layer) const { return at(0, layer); }
  double prev_token(int layer) const { return at(1, layer); }
  double target_item_label(int layer) const { return at(2, layer); }
  double target_labels(int layer) const { return at(3, layer); }
  double induction_strength(int layer) const { return at(4, layer); }
  double target_item_item(int layer) const { return at(5, layer); }
  double target_attention_entropy(int layer) const { return at(7, layer); }
  double context_label_accuracy() const { return result.progress[18]; }
  double context_label_mass() const { return result.progress[19]; }

 private:
  double at(int measure, int layer) const { return result.progress[static_cast<std::size_t>(measure * 2 + layer)]; }
};

// The planted network's task: as the default, with contents of 255 dimensions. Items, labels and their shifted copies
// are then nearly orthogonal: the product of two of them has standard deviation 1 / sqrt(255) = 0.063.
constexpr std::size_t position = 65, content = 255, width = position + content;
constexpr float previous = 8, match = 40, copy_strength = 30;

/// A d x d weight acting on rows, to be filled in: entry (from, to) says how much of dimension `from` goes to dimension
/// `to`.
struct Weight {
  std::span<float> w;
  Weight(Experiment& e, const std::string& name) : w(e.params.view(name)) { std::fill(w.begin(), w.end(), 0.0f); }
  float& at(std::size_t from, std::size_t to) { return w[from * (w.size() / width) + to]; }
};

/// R: moves contents one dimension round, an orthogonal map under which random vectors are unrelated to themselves.
std::size_t rotated(std::size_t i) { return (i + 1) % content; }

/// An induction circuit set by hand.
/// Layer 1, a previous-token head on the position code: with W_Q e_p = 8 e_{p-1} and W_K the identity on positions,
/// token i scores 8 at token i - 1 and 0 elsewhere. V adds R times the content of the token before: a label token
/// becomes label + R item. Layer 2, a match head: W_Q maps the target's content x to 40 R x, W_K is the identity, so
/// that a label token scores 40 x . item. The first token has no token before it and so keeps R times its own item,
/// which would match as well as its label's token does; it lies 16 positions before the target, where the query is
/// given -40. V adds 30 times the label's content to the target, and the read-out compares that with all label vectors.
void plant_induction_circuit(Experiment& e) {
  Weight q1(e, "blocks.0.attn.W_Q"), k1(e, "blocks.0.attn.W_K"), v1(e, "blocks.0.attn.W_V");
  Weight q2(e, "blocks.1.attn.W_Q"), k2(e, "blocks.1.attn.W_K"), v2(e, "blocks.1.attn.W_V");
  for (std::size_t p = 0; p < position; ++p) {
    k1.at(p, p) = k2.at(p, p) = 1;
    if (p >= 1) q1.at(p, p - 1) = previous;
    if (p >= 16) q2.at(p, p - 16) = -match;
  }
  for (std::size_t i = 0; i < content; ++i) {
    v1.at(position + i, position + rotated(i)) = 1;
    q2.at(position + i, position + rotated(i)) = match;
    k2.at(position + i, position + i) = 1;
    v2.at(position + i, position + i) = copy_strength;
  }
  const auto& task = dynamic_cast<const IclClassification&>(*e.task);
  Weight read_out(e, "unembed.W_U");
  for (int label = 0; label < 32; ++label) {
    for (std::size_t i = 0; i < content; ++i)
      read_out.at(position + i, static_cast<std::size_t>(label)) = task.label_vector(label)[i];
  }
}

std::unique_ptr<Experiment> planted() {
  IclClassificationConfig task;
  task.item_dim = content;
  ModelConfig model;
  model.classifier_layers = 0;
  auto e = experiment(task, model);
  plant_induction_circuit(*e);
  return e;
}

}  // namespace

TEST_CASE("an evaluation is the mean over all samples of a set, however they are cut into chunks") {
  const auto e = experiment({}, {});
  const int samples = 300;  // two chunks of 128 and one of 44
  const Evaluation measured(*e, samples);
  for (int set = 0; set < 5; ++set) {
    Graph graph;
    const Plan::Output loss[] = {{e->record(graph, e->params, e->whole(samples, Purpose::train))}};
    const Plan plan(graph, loss, [&](const std::string& name, const Shape&) { return e->params.view(name).data(); });
    const BatchBuffers buffers(e->task->fields(), samples, plan);
    e->task->sample_eval(set, 0, buffers.batch());
    plan.run();
    CHECK(measured.result.eval[static_cast<std::size_t>(set)][0] == Approx(*plan.output(0)).epsilon(1e-6));
  }
}

TEST_CASE("at step 0 every measure of the default network is near its value for uniform attention") {
  const auto e = experiment({}, {});
  const Evaluation measured(*e, 512);
  for (int layer : {0, 1}) {
    INFO("layer " << layer);
    CHECK(measured.item_label(layer) == Approx(0.170).margin(0.01));
    CHECK(measured.prev_token(layer) == Approx(0.153).margin(0.01));
    CHECK(measured.target_item_label(layer) == Approx(1 / 17.0).margin(0.01));
    CHECK(measured.target_labels(layer) == Approx(8 / 17.0).margin(0.01));
    CHECK(measured.induction_strength(layer) == Approx(0).margin(0.01));
    CHECK(measured.target_item_item(layer) == Approx(1 / 17.0).margin(0.01));
    CHECK(measured.target_attention_entropy(layer) == Approx(std::log(17)).margin(0.1));
  }
  CHECK(measured.context_label_mass() == Approx(0.25).margin(0.01));
  CHECK(measured.context_label_accuracy() == Approx(0.25).margin(0.08));  // a share of 512: 4 standard deviations
}

TEST_CASE("a planted induction circuit is seen as one by every measure") {
  const auto e = planted();
  const Evaluation measured(*e, 256);

  // Layer 1 is known exactly: exp(8) on the previous token, 1 on each of the others.
  const double weight = std::exp(8);
  double item_label = 0, prev_token = 0;
  for (int k = 1; k <= 8; ++k) item_label += weight / (weight + 2 * k - 1) / 8;
  for (int i = 1; i <= 16; ++i) prev_token += weight / (weight + i) / 16;
  CHECK(measured.item_label(0) == Approx(item_label).epsilon(1e-5));
  CHECK(measured.prev_token(0) == Approx(prev_token).epsilon(1e-5));
  CHECK(measured.item_label(0) > 0.95);
  CHECK(measured.target_labels(0) ==
        Approx((weight + 7) / (weight + 16)).epsilon(1e-5));  // the token before the target is a label

  // Layer 2: the right label scores 40 (1 +- 0.09), and every key gets noise of 40 x 0.063 from each of three or four
  // products of unrelated vectors, the largest of 16 about 40 x 0.22. The margin of 30 +- 6 leaves less than exp(-12)
  // for the others in the worst of 256 sequences.
  CHECK(measured.target_item_label(1) > 0.999);
  CHECK(measured.target_labels(1) > 0.999);
  CHECK(measured.induction_strength(1) > 0.999);
  CHECK(measured.target_item_item(1) < 0.001);
  CHECK(measured.target_attention_entropy(1) < 0.01);
}

TEST_CASE("the planted induction circuit solves the task in context, and only there") {
  const auto e = planted();
  const Evaluation measured(*e, 256);
  CHECK(measured.context_label_accuracy() > 0.99);
  CHECK(measured.context_label_mass() > 0.99);
  CHECK(measured.accuracy("iid") > 0.99);
  CHECK(measured.accuracy("ic") > 0.99);
  CHECK(measured.accuracy("ic2") > 0.99);
  CHECK(measured.accuracy("iw") <
        0.12);  // the target's class is in the context in 3% only; else some token wins by chance
  CHECK(measured.accuracy("ciwl") < 0.2);  // the label is in the context, but nothing points to it: at best 1/8
}

TEST_CASE("a layer-2 head that attends to labels without matching them is not taken for an induction head") {
  // The query looks for label tokens by the vectors of all 32 labels, whatever the target is.
  const auto e = planted();
  const auto& task = dynamic_cast<const IclClassification&>(*e->task);
  Weight q2(*e, "blocks.1.attn.W_Q");
  std::vector<float> sum(content);
  for (int label = 0; label < 32; ++label) {
    for (std::size_t i = 0; i < content; ++i) sum[i] += task.label_vector(label)[i];
  }
  for (std::size_t p = 0; p < position; ++p) {
    for (std::size_t i = 0; i < content; ++i) q2.at(p, position + i) = 10 * sum[i];
  }
  const Evaluation measured(*e, 256);
  CHECK(measured.target_labels(1) > 0.97);
  CHECK(measured.target_item_label(1) == Approx(1 / 8.0).margin(0.05));
  CHECK(std::abs(measured.induction_strength(1)) < 0.05);
  CHECK(measured.accuracy("ic") == Approx(1 / 8.0).margin(0.1));
}
