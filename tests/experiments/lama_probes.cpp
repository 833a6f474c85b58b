#include <catch2/catch.hpp>
#include <cmath>

#include "core/check.h"
#include "experiments/lama/measures.h"
#include "experiments/lama/probes.h"

using namespace saltus;
using namespace saltus::lama;

namespace {

/// Two texts of 4 and 2 words in arrays of 12, and values for the taps: two heads, two pooled vectors of width 2, three
/// classes.
struct Planted {
  std::vector<std::int32_t> tokens = std::vector<std::int32_t>(24), label = {1, 2}, key = {0, 0};
  std::vector<float> mask = std::vector<float>(24), logits = {0, 1, 0, 0, 1, 0}, S = {3, 4, 0, 1, 0, 2, 0, 4}, pattern;
  Shape logits_shape = {2, 3}, S_shape = {2, 2, 2}, pattern_shape;

  explicit Planted(std::int64_t queries) : pattern_shape({2, 2, queries, 12}) {
    for (int t : {0, 1, 2, 3, 12, 13}) mask[static_cast<std::size_t>(t)] = 1;
    pattern.resize(static_cast<std::size_t>(pattern_shape.size()));
  }
  void attend(std::int64_t head, std::int64_t text, std::int64_t query, const std::vector<float>& weights) {
    const auto row = static_cast<std::size_t>((head * 2 + text) * pattern_shape[2] + query);
    std::copy(weights.begin(), weights.end(), pattern.begin() + static_cast<std::ptrdiff_t>(row * 12));
  }

  /// The measure called `name`, summed over both texts.
  std::vector<double> measured(const Probe& probe, const std::string& name) {
    std::size_t n = 0;
    for (const Measure& m : probe.measures()) n += static_cast<std::size_t>(m.size());
    std::vector<double> sums(n);
    const Batch batch(2, {tokens.data(), mask.data(), label.data(), key.data()});
    const auto tap = [this](const std::string& tapped) -> TapValue {
      if (tapped == "logits") return {logits.data(), logits_shape};
      if (tapped == "embedding") return {S.data(), S_shape};
      check(tapped == "blocks.0.attn.pattern", "no tap {}", tapped);
      return {pattern.data(), pattern_shape};
    };
    probe.accumulate(batch, tap, sums);
    auto from = sums.begin();
    for (const Measure& m : probe.measures()) {
      if (m.name == name) return {from, from + m.size()};
      from += m.size();
    }
    FAIL("no measure " << name);
    return {};
  }
};

ModelConfig two_heads(const std::string& pooling = "lama_ctx") {
  ModelConfig model;
  model.pooling = pooling;
  model.n_heads = 2;
  return model;
}

}  // namespace

TEST_CASE("lama: what one text's attention looks like") {
  const float apart[] = {1, 0, 0, 9, 0, 1, 0, 9}, same[] = {0.5F, 0.5F, 0.5F, 0.5F};
  CHECK(measures::relative_entropy(apart, 3) == 0);
  CHECK(measures::relative_entropy(same, 2) == Approx(1));
  CHECK(measures::relative_entropy(apart, 1) == 1);
  CHECK(measures::peak(apart, 3) == 3);
  CHECK(measures::peak(same, 2) == 1);
  const measures::Rows one_word_each{apart, 2, 3, 4}, uniform{same, 2, 2, 2};
  CHECK(measures::redundancy(one_word_each) == 0);
  CHECK(measures::similarity(one_word_each) == 0);
  CHECK(measures::redundancy(uniform) == Approx(1));  // A A' is 1/2 everywhere
  CHECK(measures::similarity(uniform) == Approx(1));
}

TEST_CASE("lama: texts by their number of words, and those classified right") {
  Planted p(1);
  std::fill_n(p.mask.begin() + 12, 9, 1.0F);
  const ReadingProbe probe(two_heads("mean"), 12);
  CHECK(probe.measures()[0].dims[0].values == std::vector<double>{8, 16});
  CHECK(p.measured(probe, "texts_by_length") == std::vector<double>{1, 1});
  CHECK(p.measured(probe, "correct_by_length") == std::vector<double>{1, 0});
  CHECK(probe.taps() == std::vector<std::string>{"logits", "embedding"});
  p.label[1] = 1;
  CHECK(p.measured(probe, "correct_by_length") == std::vector<double>{1, 1});
}

TEST_CASE("lama: lengths of pooled vectors, a mean over a text's") {
  Planted p(1);
  CHECK(p.measured(ReadingProbe(two_heads("mean"), 12), "embedding_norm")[0] == Approx((5 + 1) / 2.0 + (2 + 4) / 2.0));
}

TEST_CASE("lama: where each head looks, over a text's own words") {
  Planted p(1);
  p.attend(0, 0, 0, {0.25F, 0.25F, 0.25F, 0.25F});
  p.attend(1, 0, 0, {0, 0, 1, 0});
  p.attend(0, 1, 0, {0.5F, 0.5F});
  p.attend(1, 1, 0, {0.5F, 0.5F});
  const ReadingProbe probe(two_heads(), 12);
  const std::vector<double> entropy = p.measured(probe, "attention_entropy");
  CHECK(entropy[0] == Approx(1 + 1));
  CHECK(entropy[1] == Approx(0 + 1));
  CHECK(p.measured(probe, "attention_peak") == std::vector<double>{1 + 1, 4 + 1});
  // Text 0: A A' = [[1/4, 1/4], [1/4, 1]]; text 1: 1/2 everywhere.
  CHECK(p.measured(probe, "head_redundancy")[0] == Approx(std::sqrt(9 / 16.0 + 2 / 16.0) + 1));
  CHECK(p.measured(probe, "head_similarity")[0] == Approx(0.25 / 0.5 + 1));
}

TEST_CASE("lama: a transformer's measures are means over the words that ask, and padding asks nothing") {
  Planted p(12);
  for (std::int64_t head : {0, 1}) {
    for (std::int64_t q = 0; q < 12; ++q) {
      p.attend(head, 0, q, q < 2 ? std::vector<float>{1, 0, 0, 0} : std::vector<float>{0.25F, 0.25F, 0.25F, 0.25F});
      p.attend(head, 1, q, {0.5F, 0.5F});
    }
  }
  const ReadingProbe probe(two_heads("transformer"), 12);
  CHECK(p.measured(probe, "attention_peak")[1] == Approx((4 + 4 + 1 + 1) / 4.0 + 1));
  CHECK(p.measured(probe, "attention_entropy")[0] == Approx(0.5 + 1));
  CHECK(p.measured(probe, "head_similarity")[0] == Approx(2));
}

TEST_CASE("lama: what structured's penalty adds to the loss that is trained") {
  Planted p(1);
  p.attend(0, 0, 0, {0.25F, 0.25F, 0.25F, 0.25F});
  p.attend(1, 0, 0, {0, 0, 1, 0});
  p.attend(0, 1, 0, {0.5F, 0.5F});
  p.attend(1, 1, 0, {0.5F, 0.5F});
  ModelConfig model = two_heads("structured");
  model.penalty = 3;
  CHECK(p.measured(ReadingProbe(model, 12), "penalty")[0] == Approx(3 * (9 / 16.0 + 2 / 16.0) + 3 * 1));
  model.penalty = 0;
  for (const Measure& m : ReadingProbe(model, 12).measures()) CHECK(m.name != "penalty");
}

TEST_CASE("lama: one head has nothing to be like") {
  const std::vector<Measure> measures = ReadingProbe(two_heads("han"), 12).measures();
  CHECK(measures.back().name == "attention_peak");
  CHECK(measures.back().dims[0].size == 1);
}
