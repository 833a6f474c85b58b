#include <catch2/catch.hpp>
#include <cmath>

#include "core/check.h"
#include "experiments/titans/probes.h"

using namespace saltus;
using namespace saltus::titans;

namespace {

constexpr SequenceShape shape = {.vocab_size = 3, .length = 6};

/// Two sequences with two questions each, and values for the taps.
struct Planted {
  std::vector<std::int32_t> tokens = std::vector<std::int32_t>(12), target, role, distance, writes;
  std::vector<float> weight, logits, pattern;
  Shape logits_shape = {2, 6, 3}, pattern_shape = {2, 2, 6, 8};

  Planted() {
    weight = {0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1};
    target = {0, 0, 0, 1, 0, 2, 0, 0, 2, 0, 0, 0};
    role = {1, 2, 0, 3, 0, 3, 1, 2, 3, 0, 0, 3};
    distance = {0, 0, 0, 2, 0, 4, 0, 0, 1, 0, 0, 3};
    writes = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
    logits.resize(36);
    pattern.resize(2 * 2 * 6 * 8);
  }
  void answer(std::size_t sequence, std::size_t position, std::size_t token, float logit) {
    logits[(sequence * 6 + position) * 3 + token] = logit;
  }

  std::vector<double> sums(const Probe& probe) {
    std::size_t n = 0;
    for (const Measure& m : probe.measures()) n += static_cast<std::size_t>(m.size());
    std::vector<double> out(n);
    const Batch batch(2, {tokens.data(), target.data(), weight.data(), role.data(), distance.data(), writes.data()});
    const auto tap = [this](const std::string& name) -> TapValue {
      if (name == "logits") return {logits.data(), logits_shape};
      check(name == "blocks.0.attn.pattern", "no tap {}", name);
      return {pattern.data(), pattern_shape};
    };
    probe.accumulate(batch, tap, out);
    return out;
  }
};

/// The measure called `name` of a probe with these sums.
std::vector<double> measured(const Probe& probe, const std::vector<double>& sums, const std::string& name) {
  auto from = sums.begin();
  for (const Measure& m : probe.measures()) {
    if (m.name == name) return {from, from + m.size()};
    from += m.size();
  }
  FAIL("no measure " << name);
  return {};
}

}  // namespace

TEST_CASE("titans: loss and accuracy are means over the positions that count, and a sequence counts once") {
  Planted p;
  const AnswerProbe probe(shape);
  p.answer(0, 3, 1, 20);
  p.answer(0, 5, 0, 20);  // 2 would be right
  p.answer(1, 8 - 6, 2, 20);
  p.answer(1, 4, 2, 100);                                                   // nothing is asked there
  CHECK(measured(probe, p.sums(probe), "accuracy")[0] == Approx(0.5 + 1));  // with equal logits, token 0 comes first
  CHECK(measured(probe, p.sums(probe), "loss")[0] == Approx((0 + 20) / 2.0 + (0 + std::log(3)) / 2).epsilon(1e-6));
  p.weight[3] = 3;  // of the first sequence's questions, the right one
  CHECK(measured(probe, p.sums(probe), "accuracy")[0] == Approx(0.75 + 1));
  CHECK(measured(probe, p.sums(probe), "loss")[0] == Approx(20 / 4.0 + std::log(3) / 2).epsilon(1e-6));
}

TEST_CASE("titans: answers by how far back they were written") {
  Planted p;
  const RetrievalProbe probe(shape);
  p.answer(0, 3, 1, 1);  // distance 2, right
  p.answer(0, 5, 1, 1);  // distance 4, wrong, one write between
  p.answer(1, 2, 2, 1);  // distance 1, right
  p.answer(1, 5, 0, 1);  // distance 3, right
  const std::vector<double> sums = p.sums(probe);
  CHECK(probe.measures()[0].dims[0].values == std::vector<double>{0, 1, 2, 4, 8});
  CHECK(measured(probe, sums, "questions_by_distance") == std::vector<double>{0, 1, 1, 2, 0});
  CHECK(measured(probe, sums, "correct_by_distance") == std::vector<double>{0, 1, 1, 1, 0});
  CHECK(measured(probe, sums, "questions_by_writes") == std::vector<double>{3, 1, 0, 0, 0});
  CHECK(measured(probe, sums, "correct_by_writes") == std::vector<double>{3, 0, 0, 0, 0});
}

TEST_CASE("titans: attention to the answer, of every head, whatever comes before the sequence's keys") {
  Planted p;
  const AnswerAttentionProbe probe(shape, 1, 2);
  const auto attend = [&p](std::size_t head, std::size_t sequence, std::size_t query, std::size_t key, float weight) {
    p.pattern[((head * 2 + sequence) * 6 + query) * 8 + 2 + key] = weight;  // two keys come first
  };
  attend(0, 0, 3, 1, 0.5F);
  attend(0, 0, 5, 1, 0.25F);
  attend(0, 1, 5, 2, 1);
  attend(1, 1, 2, 1, 0.125F);
  attend(1, 1, 2, 0, 0.5F);  // not the answer's
  const std::vector<double> attention = measured(probe, p.sums(probe), "attention_to_answer");
  CHECK(attention == std::vector<double>{0.375 + 0.5, 0.0625});
}

TEST_CASE("titans: a list of probes has the measures of each, and asks for a tap once") {
  Planted p;
  p.answer(0, 3, 1, 1);
  std::vector<std::unique_ptr<Probe>> parts;
  parts.push_back(std::make_unique<AnswerProbe>(shape));
  parts.push_back(std::make_unique<RetrievalProbe>(shape));
  const ProbeList list(std::move(parts));
  CHECK(list.taps() == std::vector<std::string>{"logits"});
  const std::vector<double> sums = p.sums(list);
  CHECK(measured(list, sums, "accuracy") == measured(AnswerProbe(shape), p.sums(AnswerProbe(shape)), "accuracy"));
  CHECK(measured(list, sums, "correct_by_distance") ==
        measured(RetrievalProbe(shape), p.sums(RetrievalProbe(shape)), "correct_by_distance"));
}
