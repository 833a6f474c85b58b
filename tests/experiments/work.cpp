#include "experiments/icl_classification/work.h"

#include <catch2/catch.hpp>

#include "experiments/icl_regression/work.h"
#include "experiments/lama/work.h"
#include "experiments/titans/work.h"

using namespace saltus;

// Each count is worked out again here, product by product, for sizes small enough to do so by hand.

namespace {

IclClassificationConfig one_pair(std::int64_t item_dim) {
  IclClassificationConfig task;
  task.n_labels = 2;
  task.n_pairs = task.max_pairs = 1;
  task.item_dim = item_dim;
  return task;
}

}  // namespace

TEST_CASE("work of the induction network on one pair, counted by hand") {
  // N = 1: an item, its label, the target; D = 1 content, P = 3 positions, d = 4, all three positions used: E = 4
  const IclClassificationConfig task = one_pair(1);
  icl_classification::ModelConfig model;
  model.classifier_layers = 1;
  model.classifier_width = 2;
  model.classifier_bias = "none";
  REQUIRE(icl_classification::has_counted_work(task, model));

  const double merged = 3 * 2 * 4 * 4 * 4;                // W_Q W_K', and from its gradient both of theirs
  const double rows_of_items = 2 * 2 * 1 * 1;             // item and target, content columns
  const double pairs_from_items = (1 + 3) * 4;            // item: itself; target: item, label, itself
  const double label = 1 + (2 * 1 + 1) + 3;               // its row, its item, itself
  const double label_tables = 1 * 2 * 1 * 4 + 1 * 2 * 1;  // one label's row of M; against itself
  const double scores = rows_of_items + pairs_from_items + label + label_tables;
  const double query = 2 * 3 * (2 * 4 * 4);  // r W_Q2 W_K2', never merged for one sequence
  const double W_V1 = 9 * (2 * 4 * 4), W_V2 = 3 * (2 * 4 * 4);
  const double token_sums = 10 * (2 * 1 * 3), pattern_sums = 6 * (2 * 6);
  const double softmaxes = 7 * (6 + 3), additions = 3 * 3 + (4 + 4 + 1);
  const double classifier = 3 * (2 * 4 * 2) + 2 * 2 + 3 * (2 * 2 * 2) + 3 * 2;
  const Work work = icl_classification::full_work(task, model, 1);
  CHECK(work.flops ==
        merged + 2 * scores + query + W_V1 + W_V2 + token_sums + pattern_sums + softmaxes + additions + classifier);
  CHECK(work.flops == 1329);
  CHECK(work.example_floats == 2 + 1 + 2);                       // two items; a label, where it begins, the answer
  CHECK(work.kept_floats == 6 + 3 + 3 + 3 * 4 + 3 * 4 + 2 + 2);  // p1, p2, w.x; g, w, sum; r, q, context; classifier
}

TEST_CASE("work of the paper's network at its own size") {
  const IclClassificationConfig task;
  const Work work = icl_classification::full_work(task, {}, 128);
  CHECK(work.flops == Approx(144.86e6).epsilon(0.0001));
  icl_classification::ModelConfig normalised;
  normalised.layer_norm = true;
  CHECK_FALSE(icl_classification::has_counted_work(task, normalised));
}

TEST_CASE("work of three numbers and a classifier on one pair, counted by hand") {
  const IclClassificationConfig task = one_pair(2);
  icl_classification::MinimalConfig model;
  model.classifier_layers = 1;
  model.classifier_width = 2;
  model.classifier_bias = "none";
  const double contents = 3 * (2 * 2 * 3), scores = 22 * 3;
  // Of the pair (c_n, o) only o has a gradient.
  const double classifier = 2 * (2 * 4 * 2) + 2 * 2 * 2 + 2 * 2 + 3 * (2 * 2 * 2) + 3 * 2;
  CHECK(icl_classification::minimal_work(task, model, 1).flops == contents + scores + classifier);
  CHECK(icl_classification::minimal_work(task, model, 5).flops == 5 * (contents + scores + classifier));
}

TEST_CASE("work of attention on linear regression, counted by hand") {
  LinearRegressionConfig task;
  task.n_context = 3;
  task.input_dim = 1;
  icl_regression::ModelConfig model;
  model.n_heads = 1;
  const double KQ = 3 * 2 * 2 * 2 * 1, OV = 3 * 2 * 1 * 2 * 2;
  const double softmax = 7 * 3, token_sums = 4 * (2 * 2 * 3), u = 2 * (2 * 2 * 1), answer = 3 * (2 * 1 * 2), loss = 4;
  CHECK(icl_regression::work(task, model, 1).flops == KQ + OV + softmax + token_sums + u + answer + loss);
  model.parameters = "merged";
  CHECK(icl_regression::work(task, model, 2).flops == 2 * (softmax + token_sums + u + answer + loss));
  model.attention = "linear";
  const double gram = 3 * 3 * 2;  // three numbers of Z Z', of three products each
  CHECK(icl_regression::work(task, model, 1).flops == gram + 2 * (2 * 2 * 2) + u + answer + loss);
}

TEST_CASE("work of a memory of one number, counted by hand") {
  titans::MixerConfig c;
  c.d_head = 1;
  c.chunk = 2;
  // Token by token: k M, S, M; and of a read M and M_0.
  const double tokens = 4 * (2 + 3 + 2), reads = 4 * (2 + 2);
  CHECK(titans::memory_flops(c, 4, 4, true) == tokens + reads);
  c.decay = false;  // neither a decay of M nor anything that it goes to
  CHECK(titans::memory_flops(c, 4, 4, true) == 4 * (2 + 3 + 1) + 4 * 2);
}

TEST_CASE("work of a block of a memory, counted by hand") {
  titans::ModelConfig model;
  model.n_layers = 1;
  model.d_model = 1;
  model.width = 0;
  model.mixer.n_heads = model.mixer.d_head = 1;
  model.mixer.conv_width = 0;
  model.mixer.n_persistent = 0;
  model.mixer.output_gate = false;
  const titans::Reading reading{.positions = 4, .answers = 1, .vocabulary = 3};
  // A table of three tokens: norms; K, V and three gates; Q at the one answer.
  const double table = 8 * 3 + 3 * (2 * 3 * 1 * 5) + 3 * 2;
  const double by_number = 2 * (7 * (4 + 1) + 4 * 3 * 4);  // SiLU and length of k, q; gates
  const double memory = 3 * titans::memory_flops(model.mixer, 4, 1, true);
  const double read_out = 8 + 1 + 3 * 2, answer = 8 + 3 * 3 + 3 * (2 * 1 * 3);
  CHECK(titans::work(model, reading, 1).flops == table + by_number + memory + read_out + answer);
}

TEST_CASE("work of a mean of words, counted by hand") {
  lama::ModelConfig model;
  model.pooling = "mean";
  model.d_embed = model.d_hidden = 1;
  model.classifier_width = 1;
  model.dropout = 0;
  // A text of two words, two directions; the first word of each has no state to multiply.
  const double inputs = 2 * (3 * (2 * 2 * 3)), gru = 2 * (3 * (2 * 1 * 3) + 26 * 2), mean = 2 * 2 * 2;
  const double classifier = 3 * (2 * 2) + 3 * (2 * 2) + 4 + 5 * 2;
  CHECK(lama::work(model, {2, 2}, 2, 1).flops == inputs + gru + mean + classifier);
  // The same word twice: one of each product, and six cotangents to add.
  CHECK(lama::work(model, {2, 1}, 2, 1).flops == inputs / 2 + 6 + gru + mean + classifier);
  model.dropout = 0.5;  // two masks, and each word's cotangent to add to its row
  CHECK(lama::work(model, {2, 1}, 2, 1).flops == inputs + 3 * 2 + gru + mean + classifier);
  model.pooling = "bilinear";
  CHECK_FALSE(lama::has_counted_work(model));
}
