// What every single sequence of icl_classification must satisfy.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "data/icl_sequences.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

std::map<int, int> counts(const std::vector<int>& values) {
  std::map<int, int> out;
  for (int v : values) ++out[v];
  return out;
}

}  // namespace

TEST_CASE("a sequence is N item-label pairs and a target, position block first") {
  const IclClassification task(noiseless(), seeds);
  const std::vector<SampleField> fields = task.fields();
  REQUIRE(fields.size() == 4);
  CHECK((fields[0].name == "tokens" && fields[0].shape == Shape{17, 128} && fields[0].dtype == DType::f32));
  CHECK((fields[1].name == "label" && fields[1].shape == Shape{} && fields[1].dtype == DType::i32));
  CHECK((fields[2].name == "context_labels" && fields[2].shape == Shape{8} && fields[2].dtype == DType::i32));
  CHECK((fields[3].name == "context_match" && fields[3].shape == Shape{8} && fields[3].dtype == DType::i32));
  CHECK(task.eval_sets() == std::vector<std::string>{"iid", "ic", "ic2", "iw", "ciwl"});

  for (const std::string set : {"iid", "ic", "ic2", "iw", "ciwl"}) {
    const Sequences s = eval_sequences(task, set, 300);
    for (int i = 0; i < s.size; ++i) {
      const auto first = s.position_block(i, 0);
      const auto shift = std::find(first.begin(), first.end(), 1.0f) - first.begin();
      for (int t = 0; t < 17; ++t) {
        const auto position = s.position_block(i, t);
        for (int p = 0; p < 65; ++p) REQUIRE(position[static_cast<std::size_t>(p)] == (p == shift + t ? 1.0f : 0.0f));
      }
      for (int pair = 0; pair < 8; ++pair) {
        const auto shown = s.content(i, 2 * pair + 1),
                   meant = task.label_vector(s.labels_of(i)[static_cast<std::size_t>(pair)]);
        REQUIRE(std::equal(shown.begin(), shown.end(), meant.begin(), meant.end()));
      }
    }
  }
}

TEST_CASE("labels follow label(k) = k mod L, and context_match marks the target's class") {
  IclClassificationConfig config = noiseless();
  config.p_novel = 0;
  config.p_bursty = 0.5;
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const Sequences s = train_sequences(task, 1000);
  for (int i = 0; i < s.size; ++i) {
    const std::vector<int> items = class_of.items(s, i);
    REQUIRE(s.asked(i) == items.back() % 32);
    for (std::size_t pair = 0; pair < 8; ++pair) {
      REQUIRE(s.labels_of(i)[pair] == items[pair] % 32);
      REQUIRE(s.match_of(i)[pair] == (items[pair] == items.back() ? 1 : 0));
    }
  }
}

TEST_CASE("a bursty context holds N/B classes of distinct labels, B times each, and the target's among them") {
  const std::int64_t burstiness = GENERATE(1, 2, 4);
  const std::string law = GENERATE("uniform", "zipf");
  IclClassificationConfig config = noiseless();
  config.burstiness = burstiness;
  config.p_novel = 0;
  config.zipf_exponent = 1.5;
  config.burst_class_law = law;
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const Sequences s = train_sequences(task, 500);
  for (int i = 0; i < s.size; ++i) {
    std::vector<int> items = class_of.items(s, i);
    const int target = items.back();
    items.pop_back();
    const std::map<int, int> classes = counts(items);
    REQUIRE(classes.size() == static_cast<std::size_t>(8 / burstiness));
    for (const auto& [k, copies] : classes) REQUIRE(copies == burstiness);
    REQUIRE(classes.count(target) == 1);
    const std::set<int> labels(s.labels_of(i).begin(), s.labels_of(i).end());
    REQUIRE(labels.size() == classes.size());
    // So a network that names a contextual label at random is right with probability B / N.
    REQUIRE(std::count(s.labels_of(i).begin(), s.labels_of(i).end(), s.asked(i)) == burstiness);
  }
}

TEST_CASE("ic shows novel classes, and asks for the label in the context") {
  const IclClassification task(noiseless(), seeds);
  const ClassOf class_of(task);
  const Sequences s = eval_sequences(task, "ic", 500);
  std::set<float> novel;
  for (int i = 0; i < s.size; ++i) {
    for (int k : class_of.items(s, i)) REQUIRE(k == -1);
    int matches = 0;
    for (int pair = 0; pair < 8; ++pair) {
      const auto item = s.content(i, 2 * pair), target = s.content(i, 16);
      const bool same = std::equal(item.begin(), item.end(), target.begin());
      REQUIRE(s.match_of(i)[static_cast<std::size_t>(pair)] == same);
      if (same) REQUIRE(s.labels_of(i)[static_cast<std::size_t>(pair)] == s.asked(i));
      matches += same;
      novel.insert(item[0]);
    }
    REQUIRE(matches == 1);
  }
  CHECK(novel.size() == 128);  // one pool for the whole set
}

TEST_CASE("ic2 shows and asks the label after the true one") {
  const IclClassification task(noiseless(), seeds);
  const ClassOf class_of(task);
  const Sequences s = eval_sequences(task, "ic2", 500);
  for (int i = 0; i < s.size; ++i) {
    const std::vector<int> items = class_of.items(s, i);
    REQUIRE(s.asked(i) == (items.back() + 1) % 32);
    for (std::size_t pair = 0; pair < 8; ++pair) REQUIRE(s.labels_of(i)[pair] == (items[pair] + 1) % 32);
    REQUIRE(std::count(items.begin(), items.end() - 1, items.back()) == 1);
  }
}

TEST_CASE("ciwl shows the target's true label with another class only") {
  const std::int64_t burstiness = GENERATE(1, 2, 4);
  const bool distinct = GENERATE(true, false);
  IclClassificationConfig config = noiseless();
  config.burstiness = burstiness;
  config.distinct_labels = distinct;
  config.n_classes = GENERATE(64, 256);
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const Sequences s = eval_sequences(task, "ciwl", 500);
  std::set<int> targets;
  for (int i = 0; i < s.size; ++i) {
    std::vector<int> items = class_of.items(s, i);
    const int target = items.back();
    items.pop_back();
    REQUIRE(s.asked(i) == target % 32);
    REQUIRE(counts(items).size() == static_cast<std::size_t>(8 / burstiness));
    REQUIRE(std::count(items.begin(), items.end(), target) == 0);
    REQUIRE(std::count(s.labels_of(i).begin(), s.labels_of(i).end(), target % 32) == burstiness);
    REQUIRE(std::count(s.match_of(i).begin(), s.match_of(i).end(), 1) == 0);
    targets.insert(target);
  }
  CHECK(targets.size() > static_cast<std::size_t>(config.n_classes / 2));
}

TEST_CASE("there is no ciwl where a label has one class only") {
  IclClassificationConfig config;
  config.n_classes = 32;
  CHECK(IclClassification(config, seeds).eval_sets() == std::vector<std::string>{"iid", "ic", "ic2", "iw"});
}

TEST_CASE("with burstiness 0 known classes do not burst, and novel ones come as two classes of N/2 copies") {
  IclClassificationConfig config = noiseless();
  config.burstiness = 0;
  config.p_novel = 0.5;
  config.p_bursty = 1;  // without effect
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const Sequences s = train_sequences(task, 400);
  int known_with_target = 0, known = 0;
  for (int i = 0; i < s.size; ++i) {
    const std::vector<int> items = class_of.items(s, i);
    if (items[0] == -1) {
      const std::map<int, int> labels = counts({s.labels_of(i).begin(), s.labels_of(i).end()});
      REQUIRE(labels.size() == 2);
      for (const auto& [shown, copies] : labels) REQUIRE(copies == 4);
      REQUIRE(labels.count(s.asked(i)) == 1);
    } else {
      ++known;
      known_with_target += std::count(items.begin(), items.end() - 1, items.back()) > 0;
    }
  }
  CHECK(deviations(known / 400.0, 0.5, 400) < 4);
  CHECK(known_with_target < known / 10);
  // The test sets that need the target in the context burst as novel classes do.
  for (const std::string set : {"ic", "ic2"}) {
    const Sequences e = eval_sequences(task, set, 100);
    for (int i = 0; i < e.size; ++i) REQUIRE(std::count(e.match_of(i).begin(), e.match_of(i).end(), 1) == 4);
  }
}

TEST_CASE("any part of a batch is what the whole batch holds there, bit for bit") {
  const IclClassification task({}, seeds);
  const auto check_part = [](const Sequences& whole, const Sequences& part, int first) {
    const auto from = [first, &whole](const auto& array) {
      return array.begin() + static_cast<std::ptrdiff_t>(array.size()) / whole.size * first;
    };
    CHECK(std::equal(part.tokens.begin(), part.tokens.end(), from(whole.tokens)));
    CHECK(std::equal(part.label.begin(), part.label.end(), from(whole.label)));
    CHECK(std::equal(part.context_labels.begin(), part.context_labels.end(), from(whole.context_labels)));
    CHECK(std::equal(part.context_match.begin(), part.context_match.end(), from(whole.context_match)));
  };
  const Sequences whole = train_sequences(task, 128, 77);
  for (int first : {0, 1, 31, 96}) check_part(whole, train_sequences(task, 32, 77, first), first);
  check_part(whole, train_sequences(task, 1, 77, 127), 127);
  for (const std::string& set : task.eval_sets()) {
    check_part(eval_sequences(task, set, 64), eval_sequences(task, set, 16, 40), 40);
  }
}

TEST_CASE("novel classes are shared by the samples of a step and redrawn at the next") {
  IclClassificationConfig config = noiseless();
  config.p_novel = 1;
  const IclClassification task(config, seeds);
  const auto novel = [&](std::int64_t step) {
    const Sequences s = train_sequences(task, 256, step);
    std::map<std::vector<float>, int> label_of;
    for (int i = 0; i < s.size; ++i) {
      for (int pair = 0; pair < 8; ++pair) {
        const auto item = s.content(i, 2 * pair);
        const int shown = s.labels_of(i)[static_cast<std::size_t>(pair)];
        const auto known = label_of.emplace(std::vector<float>(item.begin(), item.end()), shown).first;
        REQUIRE(known->second == shown);  // a novel class keeps its label within the step
      }
    }
    return label_of;
  };
  const auto now = novel(5), later = novel(6);
  CHECK(now.size() == 128);
  CHECK(later.size() == 128);
  for (const auto& [item, shown] : now) REQUIRE(later.count(item) == 0);
}

TEST_CASE("each seed changes its own part") {
  const IclClassification base({}, {.data = 2, .eval = 3, .task = 4}),
      other_data({}, {.data = 9, .eval = 3, .task = 4}), other_eval({}, {.data = 2, .eval = 9, .task = 4}),
      other_task({}, {.data = 2, .eval = 3, .task = 9});
  const auto train = [](const IclClassification& task) { return train_sequences(task, 8).tokens; };
  const auto eval = [](const IclClassification& task) { return eval_sequences(task, "ic", 8).tokens; };
  const auto centre = [](const IclClassification& task) {
    return std::vector<float>(task.centre(0).begin(), task.centre(0).end());
  };
  CHECK((train(base) != train(other_data) && eval(base) == eval(other_data) && centre(base) == centre(other_data)));
  CHECK((train(base) == train(other_eval) && eval(base) != eval(other_eval) && centre(base) == centre(other_eval)));
  CHECK(centre(base) != centre(other_task));
  CHECK(train_sequences(base, 8).label == train_sequences(other_task, 8).label);
}

}  // namespace saltus
