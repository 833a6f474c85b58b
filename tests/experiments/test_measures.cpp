#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "experiments/icl_classification/measures.h"

using namespace saltus;
using namespace saltus::icl_classification;

namespace {

/// An attention pattern [query, key] to be filled in by hand. Tokens are counted from 0: pair k has its item at 2k and
/// its label at 2k + 1; the target is the last.
struct Pattern {
  std::int64_t n_pairs, tokens = 2 * n_pairs + 1;
  std::vector<float> p = std::vector<float>(static_cast<std::size_t>(tokens * tokens));

  float& at(std::int64_t query, std::int64_t key) { return p[static_cast<std::size_t>(query * tokens + key)]; }
  float& target(std::int64_t key) { return at(tokens - 1, key); }
  SequenceMeasures measure(const std::vector<std::int32_t>& match) const {
    return measure_sequence(p.data(), match.data(), n_pairs);
  }
};

Pattern uniform(std::int64_t n_pairs) {
  Pattern u{n_pairs};
  for (std::int64_t i = 0; i < u.tokens; ++i) {
    for (std::int64_t j = 0; j <= i; ++j) u.at(i, j) = 1 / static_cast<float>(i + 1);
  }
  return u;
}

/// The target of four pairs, seen from one head: .40 on labels (.10 .20 .05 .05), .44 on items (.24 .12 .06 .02), the
/// rest on itself.
Pattern by_hand() {
  Pattern p{4};
  const std::vector<float> items = {0.24f, 0.12f, 0.06f, 0.02f}, labels = {0.10f, 0.20f, 0.05f, 0.05f};
  for (std::int64_t k = 0; k < 4; ++k) {
    p.target(2 * k) = items[static_cast<std::size_t>(k)];
    p.target(2 * k + 1) = labels[static_cast<std::size_t>(k)];
  }
  p.target(8) = 0.16f;
  return p;
}

}  // namespace

TEST_CASE("uniform attention over 8 pairs has the closed-form measures of the spec") {
  const SequenceMeasures m = uniform(8).measure({0, 0, 1, 0, 0, 0, 0, 0});
  double item_label = 0, prev_token = 0, entropy = 0;
  for (int k = 1; k <= 8; ++k) item_label += 1.0 / (2 * k) / 8;  // the k-th label sees 2k tokens
  for (int i = 2; i <= 17; ++i) prev_token += 1.0 / i / 16;
  for (int i = 1; i <= 17; ++i) entropy += std::log(i) / 17;
  CHECK(std::abs(m.item_label - item_label) < 1e-6);
  CHECK(std::abs(m.prev_token - prev_token) < 1e-6);
  CHECK(std::abs(m.target_item_label - 1 / 17.0) < 1e-6);
  CHECK(std::abs(m.target_labels - 8 / 17.0) < 1e-6);
  CHECK(std::abs(m.induction_strength) < 1e-6);
  CHECK(std::abs(m.target_item_item - 1 / 17.0) < 1e-6);
  CHECK(std::abs(m.attention_entropy - entropy) < 1e-6);
  CHECK(std::abs(m.target_attention_entropy - std::log(17)) < 1e-6);
  CHECK(std::abs(m.target_self - 1 / 17.0) < 1e-6);
  // Section 3's own numbers.
  CHECK(m.item_label == Approx(0.170).margin(0.001));
  CHECK(m.prev_token == Approx(0.153).margin(0.001));
  CHECK(m.target_item_label == Approx(0.059).margin(0.001));
  CHECK(m.target_labels == Approx(0.471).margin(0.001));
}

TEST_CASE("item_label is the attention of label tokens to their own items, and of no other token") {
  Pattern p{4};
  p.at(1, 0) = 0.5f;            // label 0 to its item
  p.at(3, 2) = 0.25f;           // label 1
  p.at(5, 4) = 1;               // label 2
  p.at(7, 6) = 0.75f;           // label 3
  p.at(2, 1) = p.at(4, 3) = 1;  // items to the labels before them
  p.at(7, 4) = 0.25f;           // a label to another's item
  const SequenceMeasures m = p.measure({1, 0, 0, 0});
  CHECK(m.item_label == Approx((0.5 + 0.25 + 1 + 0.75) / 4));
  CHECK(m.prev_token == Approx((0.5 + 0.25 + 1 + 0.75 + 1 + 1) / 8));  // these do count here
}

TEST_CASE("target measures with one right pair (B = 1)") {
  const SequenceMeasures m = by_hand().measure({0, 1, 0, 0});
  CHECK(m.target_item_label == Approx(0.20));
  CHECK(m.target_labels == Approx(0.40));
  CHECK(m.target_item_item == Approx(0.12));
  CHECK(m.target_self == Approx(0.16));
  CHECK(m.induction_strength == Approx(0.20 - 0.20 / 3));
}

TEST_CASE("target measures with two right pairs (B = 2): sums over them, and means for the induction strength") {
  const SequenceMeasures m = by_hand().measure({1, 0, 0, 1});
  CHECK(m.target_item_label == Approx(0.15));
  CHECK(m.target_labels == Approx(0.40));
  CHECK(m.target_item_item == Approx(0.26));
  CHECK(m.induction_strength == Approx(0.15 / 2 - 0.25 / 2));
}

TEST_CASE("target measures of eight pairs with four right ones (B = 4)") {
  Pattern p{8};
  for (std::int64_t k = 0; k < 8; ++k) {
    p.target(2 * k) = static_cast<float>(k) / 100;         // items .00 .01 ... .07
    p.target(2 * k + 1) = static_cast<float>(8 - k) / 50;  // labels .16 .14 ... .02
  }
  const SequenceMeasures m = p.measure({1, 1, 0, 0, 1, 0, 1, 0});  // k = 0, 1, 4, 6
  CHECK(m.target_item_label == Approx(0.16 + 0.14 + 0.08 + 0.04));
  CHECK(m.target_labels == Approx(0.72));
  CHECK(m.target_item_item == Approx(0.00 + 0.01 + 0.04 + 0.06));
  CHECK(m.induction_strength == Approx(0.42 / 4 - 0.30 / 4));
}

TEST_CASE("without a right pair, or without a wrong one, the missing mean counts as zero") {
  CHECK(by_hand().measure({0, 0, 0, 0}).target_item_label == 0);
  CHECK(by_hand().measure({0, 0, 0, 0}).induction_strength == Approx(-0.40 / 4));
  CHECK(by_hand().measure({1, 1, 1, 1}).induction_strength == Approx(0.40 / 4));
}

TEST_CASE("a perfect previous-token head and a perfect induction head") {
  Pattern previous{8}, induction{8};
  previous.at(0, 0) = induction.at(0, 0) = 1;
  for (std::int64_t i = 1; i < 17; ++i) previous.at(i, i - 1) = induction.at(i, 0) = 1;
  induction.target(0) = 0;
  induction.target(2 * 5 + 1) = 1;
  const std::vector<std::int32_t> match = {0, 0, 0, 0, 0, 1, 0, 0};
  CHECK(previous.measure(match).item_label == 1);
  CHECK(previous.measure(match).prev_token == 1);
  CHECK(previous.measure(match).target_item_label == 0);
  CHECK(previous.measure(match).target_labels == 1);  // the token before the target is the last pair's label
  CHECK(previous.measure(match).induction_strength == Approx(-1.0 / 7));
  CHECK(previous.measure(match).attention_entropy == 0);
  CHECK(induction.measure(match).target_item_label == 1);
  CHECK(induction.measure(match).target_labels == 1);
  CHECK(induction.measure(match).induction_strength == 1);
  CHECK(induction.measure(match).target_item_item == 0);
}

TEST_CASE("target_attention_entropy looks at the target's row alone") {
  Pattern p{2};
  for (std::int64_t i = 0; i < 5; ++i) p.at(i, i) = 1;
  p.target(4) = 0.5f;
  p.target(1) = p.target(3) = 0.25f;
  const SequenceMeasures m = p.measure({1, 0});
  CHECK(m.target_attention_entropy == Approx(1.5 * std::log(2)));
  CHECK(m.attention_entropy == Approx(1.5 * std::log(2) / 5));
}

namespace {

/// The probe's sums over hand-written sequences of 2 pairs, 5 labels, with two layers of two heads.
struct ByHand {
  static constexpr std::int64_t n_pairs = 2, tokens = 5, n_labels = 5;
  std::vector<std::int32_t> context_labels, context_match;
  std::vector<float> logits;                      // [batch, label]
  std::vector<std::vector<float>> first, second;  // each layer's patterns, head by head and in it sequence by sequence

  std::vector<double> sums() const {
    IclClassificationConfig task;
    task.n_pairs = n_pairs;
    task.n_labels = n_labels;
    std::vector<std::int32_t> labels = context_labels, match = context_match;
    const auto size = static_cast<int>(logits.size() / n_labels);
    const Batch batch(size, {nullptr, nullptr, labels.data(), match.data()});
    const std::vector<float> patterns[] = {joined(first), joined(second)};
    const Shape logits_shape = {size, n_labels}, pattern_shape = {2, size, tokens, tokens};
    const auto tap = [&](const std::string& name) {
      if (name == "logits") return TapValue{logits.data(), logits_shape};
      return TapValue{patterns[name == "blocks.1.attn.pattern"].data(), pattern_shape};
    };
    std::vector<double> out(9 * 4 + 2);
    ProgressProbe(task, 2, 2).accumulate(batch, tap, out);
    return out;
  }
  static std::vector<float> joined(const std::vector<std::vector<float>>& parts) {
    std::vector<float> all;
    for (const std::vector<float>& p : parts) all.insert(all.end(), p.begin(), p.end());
    return all;
  }
};

std::vector<float> blank() { return std::vector<float>(25); }

}  // namespace

TEST_CASE("context_label_accuracy and mass: the labels shown in the context, each counted once") {
  const float log2 = std::log(2.0f);
  ByHand h;
  h.first.assign(6, blank());
  h.second.assign(6, blank());
  h.context_match = {1, 0, 1, 0, 1, 0};
  h.context_labels = {1, 3, 4, 4, 0, 2};
  h.logits = {0,    log2, 0, 0, 0,     // argmax 1, shown; mass on 1 and 3: (2 + 1) / 6
              log2, 0,    0, 0, 0,     // argmax 0, not shown; mass on 4, which is shown twice: 1 / 6
              0,    500,  0, 0, 500};  // argmax 1 of a tie with 4, not shown; mass on 0 and 2: nothing
  const std::vector<double> s = h.sums();
  CHECK(s[36] == 1);
  CHECK(s[37] == Approx(3 / 6.0 + 1 / 6.0).epsilon(1e-6));
}

TEST_CASE("the progress probe adds up sequences, measure by measure, in it layer by layer, in it head by head") {
  ByHand h;
  h.context_match = {1, 0, 0, 1};
  h.context_labels = {0, 1, 2, 3};
  h.logits.assign(10, 0);
  h.first.assign(4, blank());  // head 0: sequences 0 and 1, then head 1
  h.second.assign(4, blank());
  const auto label_of_pair_0 = 4 * 5 + 1, label_of_pair_1 = 4 * 5 + 3;  // seen from the target
  h.first[0][label_of_pair_0] = 0.5f;                                   // head 0, sequence 0: a right label
  h.first[1][label_of_pair_0] = 0.25f;                                  // head 0, sequence 1: a wrong one
  h.first[3][label_of_pair_1] = 1;                                      // head 1, sequence 1: a right one
  h.first[3][1 * 5 + 0] = 1;                                            // and the label of pair 0 to its item
  h.second[0][label_of_pair_1] = 0.125f;                                // layer 1, head 0, sequence 0: a wrong label
  h.second[2][4 * 5 + 4] = 0.75f;                                       // layer 1, head 1, sequence 0: itself
  const std::vector<double> s = h.sums();
  const auto measure = [&](std::size_t m) {
    return std::vector<double>(s.begin() + 4 * static_cast<std::ptrdiff_t>(m),
                               s.begin() + 4 * static_cast<std::ptrdiff_t>(m) + 4);
  };
  CHECK(measure(0) == std::vector<double>{0, 0.5, 0, 0});        // item_label
  CHECK(measure(2) == std::vector<double>{0.5, 1, 0, 0});        // target_item_label
  CHECK(measure(3) == std::vector<double>{0.75, 1, 0.125, 0});   // target_labels
  CHECK(measure(4) == std::vector<double>{0.25, 1, -0.125, 0});  // induction_strength
  CHECK(measure(8) == std::vector<double>{0, 0, 0, 0.75});       // target_self
}

TEST_CASE("the progress probe's measures are those of one sequence in their order, then the context label's") {
  const ProgressProbe probe(IclClassificationConfig{}, 2, 3);
  CHECK(probe.taps() == std::vector<std::string>{"logits", "blocks.0.attn.pattern", "blocks.1.attn.pattern"});
  std::vector<std::string> names;
  for (const Measure& m : probe.measures()) {
    names.push_back(m.name);
    CHECK(m.size() == (m.dims.empty() ? 1 : 6));
  }
  CHECK(names == std::vector<std::string>{"item_label", "prev_token", "target_item_label", "target_labels",
                                          "induction_strength", "target_item_item", "attention_entropy",
                                          "target_attention_entropy", "target_self", "context_label_accuracy", "context_label_mass"});
}
