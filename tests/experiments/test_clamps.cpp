#include <algorithm>

#include "experiments/clamped_network.h"
#include "experiments/icl_classification/clamps.h"
#include "graph/simplify.h"

using namespace saltus;
using namespace saltus::tests;
using icl_classification::Clamp;
using icl_classification::parse_clamp;

namespace {

/// Clamps and the same done by hand. The network has two layers of two heads.
struct Case {
  std::vector<std::string> clamps;
  ClampedNetwork::Hand hand;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{}, [](Attention&) {}},
      {{"0.0 previous_token"},
       [](Attention& a) {
         if (a.at(0, 0)) a.mix(1, [&](std::size_t j) { return j + 1 == std::max<std::size_t>(a.query, 1); });
       }},
      {{"0.* own_item 0.3"},
       [](Attention& a) {
         if (a.layer == 0 && a.is_label()) a.mix(0.3, [&](std::size_t j) { return j + 1 == a.query; });
       }},
      {{"1.1 induction 0.5"},
       [](Attention& a) {
         if (a.at(1, 1) && a.is_target()) a.mix(0.5, [&](std::size_t j) { return a.on_right_label(j); });
       }},
      {{"1.* labels"},
       [](Attention& a) {
         if (a.layer == 1 && a.is_target()) a.mix(1, [](std::size_t j) { return j % 2 == 1; });
       }},
      {{"*.0 items"},
       [](Attention& a) {
         if (a.head == 0 && a.is_target()) a.mix(1, [&](std::size_t j) { return a.on_right_item(j); });
       }},
      {{"0.1 uniform 0.25 items"},
       [](Attention& a) {
         if (a.at(0, 1) && !a.is_label() && !a.is_target()) a.mix(0.25, [](std::size_t) { return true; });
       }},
      {{"0.1 self target", "0.1 self labels 0.5"},
       [](Attention& a) {
         if (a.at(0, 1) && (a.is_target() || a.is_label()))
           a.mix(a.is_label() ? 0.5 : 1, [&](std::size_t j) { return j == a.query; });
       }},
      {{"0.0 not_previous"},
       [](Attention& a) {
         if (a.at(0, 0)) a.remove(1, [&](std::size_t j) { return j + 1 == a.query; });
       }},
      {{"*.* not_previous 0.4 labels"},
       [](Attention& a) {
         if (a.is_label()) a.remove(0.4, [&](std::size_t j) { return j + 1 == a.query; });
       }},
      {{"1.* not_induction"},
       [](Attention& a) {
         if (a.layer == 1 && a.is_target()) a.remove(1, [&](std::size_t j) { return a.on_right_label(j); });
       }},
      {{"1.0 only_labels"},
       [](Attention& a) {
         if (a.at(1, 0) && a.is_target()) a.remove(1, [](std::size_t j) { return j % 2 == 0; });
       }},
      {{"0.1 zero", "1.0 zero 0.5"},
       [](Attention& a) {
         if (a.at(0, 1) || a.at(1, 0)) {
           for (double& p : a.p) p *= a.layer == 0 ? 0 : 0.5;
         }
       }},
      // One after the other.
      {{"0.0 zero", "0.0 own_item", "1.1 only_labels", "1.1 induction 0.5"},
       [](Attention& a) {
         if (a.at(0, 0)) {
           std::fill(a.p.begin(), a.p.end(), 0);
           if (a.is_label()) a.p[a.query - 1] = 1;
         }
         if (!a.at(1, 1) || !a.is_target()) return;
         a.remove(1, [](std::size_t j) { return j % 2 == 0; });
         a.mix(0.5, [&](std::size_t j) { return a.on_right_label(j); });
       }},
      {{"1.1 uniform 0.5", "*.* not_induction 0.75", "1.1 zero 0.25", "1.1 only_labels"},
       [](Attention& a) {
         const bool put = a.at(1, 1);
         if (put) a.mix(0.5, [](std::size_t) { return true; });
         if (a.is_target()) a.remove(0.75, [&](std::size_t j) { return a.on_right_label(j); });
         if (!put) return;
         for (double& p : a.p) p *= 0.75;
         if (a.is_target()) a.remove(1, [](std::size_t j) { return j % 2 == 0; });
       }},
      // Nothing is left of what was put in place.
      {{"1.0 induction", "1.* not_induction"},
       [](Attention& a) {
         if (a.layer != 1 || !a.is_target()) return;
         if (a.head == 0) a.mix(1, [&](std::size_t j) { return a.on_right_label(j); });
         a.remove(1, [&](std::size_t j) { return a.on_right_label(j); });
       }},
  };
  return all;
}

ModelConfig two_heads(const std::vector<std::string>& clamps) {
  ModelConfig model = small_model();
  model.n_heads = 2;
  model.clamps = clamps;
  return model;
}

/// Three random sequences; of the last, nothing in the context matches the target.
struct ClampedCase : Network {
  ClampedCase(const std::vector<std::string>& clamps, Purpose purpose)
      : Network(small_task(), two_heads(clamps), 3, purpose) {
    randomise(31);
    std::fill(leaves.indices["context_match"].end() - 2, leaves.indices["context_match"].end(), 0);
  }
  std::vector<double> tapped(const std::string& name) const { return value(graph, graph.tapped(name), leaves); }
};

std::string problem(const std::string& text) { return parse_clamp(text, 2, 4).problem; }

}  // namespace

TEST_CASE("a clamp is read as layer, head, pattern, strength and queries") {
  const Clamp c = parse_clamp("1.* previous_token 0.25 labels", 2, 4);
  CHECK(c.problem.empty());
  CHECK(c.layer == 1);
  CHECK_FALSE(c.head.has_value());
  CHECK(c.pattern == "previous_token");
  CHECK(c.strength == 0.25);
  CHECK(c.queries == "labels");
  const Clamp plain = parse_clamp("*.3 induction", 2, 4);
  CHECK(plain.problem.empty());
  CHECK_FALSE(plain.layer.has_value());
  CHECK(plain.head == 3);
  CHECK(plain.strength == 1);
  CHECK(plain.queries == "target");
}

TEST_CASE("what is no clamp is refused with what is allowed") {
  const std::string form = "write layer.head pattern [strength] [queries], as in \"0.0 previous_token 0.5 labels\"";
  CHECK(problem("") == form);
  CHECK(problem("0.0") == form);
  CHECK(problem("0 zero") == form);
  CHECK(problem("2.0 zero") == "there is no layer '2': layers are 0 to 1, or * for each");
  CHECK(problem("1.4 zero") == "there is no head '4': heads are 0 to 3, or * for each");
  CHECK(problem("1.-1 zero") == "there is no head '-1': heads are 0 to 3, or * for each");
  CHECK(problem("first.0 zero") == "there is no layer 'first': layers are 0 to 1, or * for each");
  CHECK(problem("0.0 prev") ==
        "there is no pattern 'prev': use one of previous_token, own_item, induction, labels, items, uniform, self, "
        "zero, not_previous, not_induction, only_labels");
  CHECK(problem("0.0 zero 0") == "strength 0 is not in (0, 1]");
  CHECK(problem("0.0 zero 1.5") == "strength 1.5 is not in (0, 1]");
  CHECK(problem("0.0 zero nan") == "strength nan is not in (0, 1]");
  CHECK(problem("0.0 zero half") == "'half' is neither a strength in (0, 1] nor queries: all, items, labels, target");
  CHECK(problem("0.0 induction items") == "induction is for target queries only");
  CHECK(problem("0.0 own_item target") == "own_item is for labels queries only");
  CHECK(problem("0.0 zero 0.5 labels 0.25") == "it has two strengths, 0.5 and 0.25: give one");
  CHECK(problem("0.0 zero labels items") ==
        "it names queries twice, labels and items: give one word, or a clamp for each");
  CHECK(problem("0.0 zero labels 0.5").empty());
}

TEST_CASE("every clamp does what a hand in a plainly written network does, in training and in measuring") {
  for (const Case& c : cases()) {
    INFO(fmt::format("{}", c.clamps.empty() ? "none" : c.clamps[0]));
    for (Purpose purpose : {Purpose::train, Purpose::measure}) {
      const ClampedCase n(c.clamps, purpose);
      CHECK(relative_difference(n.logits(), ClampedNetwork(n, c.hand).logits()) < 1e-12);
    }
  }
}

TEST_CASE("the pattern that is tapped is the one in effect: an induction circuit on random weights") {
  const ClampedCase n({"0.0 previous_token", "1.1 induction"}, Purpose::measure), free({}, Purpose::measure);
  const std::vector<double> first = n.tapped("blocks.0.attn.pattern"), last = n.tapped("blocks.1.attn.pattern");
  const std::vector<double> trained = free.tapped("blocks.0.attn.pattern");
  const auto at = [](std::size_t head, std::size_t s, std::size_t query, std::size_t key) {
    return ((head * 3 + s) * 5 + query) * 5 + key;
  };
  for (std::size_t s = 0; s < 3; ++s) {
    const auto match = n.leaves.indices.at("context_match").begin() + static_cast<std::ptrdiff_t>(2 * s);
    for (std::size_t j = 0; j < 5; ++j) {
      for (std::size_t i = 0; i < 5; ++i) {
        CHECK(first[at(0, s, i, j)] == (j + 1 == i || (i == 0 && j == 0) ? 1 : 0));
        CHECK(first[at(1, s, i, j)] == trained[at(1, s, i, j)]);
      }
      if (s < 2) CHECK(last[at(1, s, 4, j)] == (j % 2 == 1 && match[static_cast<std::ptrdiff_t>(j / 2)] == 1 ? 1 : 0));
    }
    double of_others = 0;
    for (std::size_t j = 0; j < 5; ++j) of_others += last[at(1, s, 3, j)];
    CHECK(of_others == Approx(1));
  }
}

TEST_CASE("a strength is the share of the ideal in the pattern") {
  const auto pattern = [](const std::vector<std::string>& clamps) {
    return ClampedCase(clamps, Purpose::train).tapped("blocks.0.attn.pattern");
  };
  const std::vector<double> trained = pattern({}), ideal = pattern({"0.* uniform"}),
                            mixed = pattern({"0.* uniform 0.7"});
  for (std::size_t i = 0; i < trained.size(); ++i) CHECK(mixed[i] == Approx(0.3 * trained[i] + 0.7 * ideal[i]));
}

TEST_CASE("a head clamped to zero is a head that is not there") {
  const ClampedCase two({"*.1 zero"}, Purpose::train);
  ModelConfig one = small_model();
  one.d_head = 6;
  Network without(small_task(), one, 3);
  for (auto& [name, values] : without.leaves.values)  // the first head of two, where there are heads
    std::copy_n(two.leaves.values.at(name).begin(), values.size(), values.begin());
  CHECK(relative_difference(two.logits(), without.logits()) < 1e-12);
}

TEST_CASE("a network has the same parameters under every clamp") {
  const ClampedCase free({}, Purpose::train);
  for (const Case& c : cases()) {
    const ClampedCase n(c.clamps, Purpose::train);
    REQUIRE(n.params.specs().size() == free.params.specs().size());
    for (std::size_t i = 0; i < n.params.specs().size(); ++i)
      CHECK(n.params.specs()[i].name == free.params.specs()[i].name);
  }
}

TEST_CASE("gradients go through the trained share, and agree with finite differences") {
  ClampedCase n({"0.0 previous_token 0.5", "0.1 not_previous", "1.0 induction 0.5", "1.1 only_labels 0.5",
                 "1.1 not_induction 0.5", "0.1 own_item 0.2"},
                Purpose::train);
  check_gradients(n.graph, n.loss, n.parameters(), n.leaves);
}

TEST_CASE("a head that is clamped as a whole learns nothing of where to look, but what to write") {
  ClampedCase n({"0.0 previous_token"}, Purpose::train);
  const auto gradient = [&](const char* name) {
    const Var w = n.graph.param(name, n.params.spec(name).shape);
    return evaluate<double>(n.graph, grad(n.loss, std::vector<Var>{w}), n.leaves)[0];
  };
  const auto silent = [](const std::vector<double>& g, std::size_t head) {
    const auto half = static_cast<std::ptrdiff_t>(g.size() / 2), from = static_cast<std::ptrdiff_t>(head) * half;
    return std::all_of(g.begin() + from, g.begin() + from + half, [](double x) { return x == 0; });
  };
  for (const char* scores : {"blocks.0.attn.W_Q", "blocks.0.attn.W_K"}) {
    CHECK(silent(gradient(scores), 0));
    CHECK_FALSE(silent(gradient(scores), 1));
  }
  CHECK_FALSE(silent(gradient("blocks.0.attn.W_V"), 0));
}

TEST_CASE("scores that no query uses are not computed") {
  const auto instructions = [](const std::vector<std::string>& clamps) {
    const ClampedCase n(clamps, Purpose::train);
    return simplify(n.graph, std::vector<Var>{n.loss}).order.size();
  };
  CHECK(instructions({"0.* uniform"}) < instructions({}));
  CHECK(instructions({"0.* uniform 0.5"}) > instructions({}));
}

TEST_CASE("context_labels_only: the loss is the cross-entropy among the labels that the context shows") {
  ModelConfig model = small_model(), masked_model = small_model();
  masked_model.context_labels_only = true;
  IclClassificationConfig task = small_task();
  task.n_labels = 6;  // two of them in a context
  Network free(task, model, 3), masked(task, masked_model, 3);
  free.randomise(5);
  masked.randomise(5);
  const std::vector<double> logits = free.logits();
  double expected = 0;
  for (int s = 0; s < 3; ++s) {
    const auto logit = [&](std::int32_t label) { return logits[static_cast<std::size_t>(s * 6 + label)]; };
    double total = 0;
    for (std::int32_t shown : free.sequences.labels_of(s)) total += std::exp(logit(shown));
    expected += (std::log(total) - logit(free.sequences.asked(s))) / 3;
  }
  CHECK(value(masked.graph, masked.loss, masked.leaves)[0] == Approx(expected).epsilon(1e-12));
  CHECK(relative_difference(masked.logits(), logits) > 10);
  check_gradients(masked.graph, masked.loss, masked.parameters(), masked.leaves);
}
