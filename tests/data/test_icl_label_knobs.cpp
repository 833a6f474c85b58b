// Knobs of icl_classification about labels: pre-alignment, several labels a class, labels drawn afresh, several maps.
#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "data/icl_sequences.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

/// The default task of known classes only, without noise.
IclClassificationConfig known() {
  IclClassificationConfig config = noiseless();
  config.p_novel = 0;
  return config;
}

/// Labels of a sequence with the asked one last.
std::vector<int> labels(const Sequences& s, int sequence) {
  std::vector<int> out(s.labels_of(sequence).begin(), s.labels_of(sequence).end());
  out.push_back(s.asked(sequence));
  return out;
}

std::size_t distinct(const std::vector<int>& values) { return std::set<int>(values.begin(), values.end()).size(); }

std::vector<double> uniform(std::size_t n) { return std::vector<double>(n, 1 / static_cast<double>(n)); }

/// All knobs that go together: with label_law relabelled, or with several labels a class and several maps.
IclClassificationConfig every_knob(bool relabelled) {
  IclClassificationConfig config;
  config.p_novel_end = 0.2;
  config.p_novel_steps = 100;
  config.random_label_steps = 50;
  config.redraw_every = 7;
  config.exemplars = 5;
  config.n_common = 16;
  config.p_common = 0.5;
  config.p_bursty = 0.5;
  if (!relabelled) {
    config.n_maps = 4;
    config.labels_per_class = 2;
  } else {
    config.label_law = "relabelled";
    config.p_bursty = 1;
    config.relabel_held_out = 0.25;
  }
  return config;
}

void check_copies_share_labels(const std::vector<int>& items, const std::vector<int>& shown) {
  std::map<int, int> label_of;
  for (std::size_t i = 0; i < items.size(); ++i)
    REQUIRE(label_of.emplace(items[i], shown[i]).first->second == shown[i]);
}

}  // namespace

TEST_CASE("before random_label_steps the label of any pair is asked, and nothing else differs") {
  IclClassificationConfig config = known();
  const IclClassification plain(config, seeds);
  config.random_label_steps = 10;
  const IclClassification task(config, seeds);
  const int n = 5000;
  const Sequences s = train_sequences(task, n, 9), aligned = train_sequences(plain, n, 9);
  CHECK(s.tokens == aligned.tokens);
  CHECK(s.context_labels == aligned.context_labels);
  CHECK(s.context_match == aligned.context_match);
  std::vector<int> slots(8);
  int right = 0;
  for (int i = 0; i < n; ++i) {
    const auto shown = s.labels_of(i);
    const auto slot = std::find(shown.begin(), shown.end(), s.asked(i)) - shown.begin();
    ++slots.at(static_cast<std::size_t>(slot));
    right += s.asked(i) == aligned.asked(i);
  }
  CHECK(chi_square_excess(slots, uniform(8), n) < 4);
  CHECK(deviations(right / static_cast<double>(n), 1 / 8.0, n) < 4);
  CHECK(train_sequences(task, n, 10).label == train_sequences(plain, n, 10).label);
  for (const std::string set : {"iid", "ic"})
    CHECK(eval_sequences(task, set, 50).label == eval_sequences(plain, set, 50).label);
}

TEST_CASE("of a class's labels a sequence draws one, uniformly, for all copies and the target") {
  IclClassificationConfig config = known();
  config.labels_per_class = 4;
  config.burstiness = GENERATE(1, 2);
  config.p_bursty = GENERATE(0.0, 1.0);
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 8000;
  const Sequences s = train_sequences(task, n);
  std::vector<int> choices(4), target_choices(4);
  for (int i = 0; i < n; ++i) {
    const std::vector<int> items = class_of.items(s, i), shown = labels(s, i);
    check_copies_share_labels(items, shown);
    for (std::size_t t = 0; t < items.size(); ++t) REQUIRE(shown[t] % 8 == items[t] % 8);  // 32 labels, 8 sets of 4
    if (config.p_bursty == 1) REQUIRE(distinct(shown) == static_cast<std::size_t>(8 / config.burstiness));
    ++choices.at(static_cast<std::size_t>((shown[0] - items[0] + 256) % 32 / 8));
    ++target_choices.at(static_cast<std::size_t>((shown[8] - items[8] + 256) % 32 / 8));
  }
  CHECK(chi_square_excess(choices, uniform(4), n) < 4);
  CHECK(chi_square_excess(target_choices, uniform(4), n) < 4);
}

TEST_CASE("with labels_per_class outside the context nothing tells which of the labels is asked") {
  // So accuracy on iw is at most 1/m: the choice of the target is independent of a classmate's of the same labels.
  IclClassificationConfig config = known();
  config.n_labels = 8;
  config.labels_per_class = 2;
  const IclClassification task(config, seeds);
  CHECK(task.eval_sets() == std::vector<std::string>{"iid", "ic", "ic2", "iw"});
  const ClassOf class_of(task);
  const Sequences s = eval_sequences(task, "iw", 20000);
  int same = 0, n = 0;
  for (int i = 0; i < s.size; ++i) {
    const std::vector<int> items = class_of.items(s, i), shown = labels(s, i);
    if (items[0] == items[8] || items[0] % 4 != items[8] % 4) continue;
    same += shown[0] == shown[8];
    ++n;
  }
  REQUIRE(n > 4000);
  CHECK(deviations(same / static_cast<double>(n), 0.5, n) < 4);
}

TEST_CASE("relabelled classes get uniform labels in each sequence, distinct ones if that is asked") {
  IclClassificationConfig config = known();
  config.label_law = "relabelled";
  config.burstiness = 2;
  config.distinct_labels = GENERATE(true, false);
  const IclClassification task(config, seeds);
  CHECK(task.eval_sets() == std::vector<std::string>{"iid", "ic"});
  const ClassOf class_of(task);
  const int n = 10000;
  const Sequences s = train_sequences(task, n);
  std::vector<int> shift(32);
  int same_residue = 0, collisions = 0;
  for (int i = 0; i < n; ++i) {
    std::vector<int> items = class_of.items(s, i);
    const std::vector<int> shown = labels(s, i);
    check_copies_share_labels(items, shown);
    ++shift.at(static_cast<std::size_t>((shown[0] - items[0] + 256) % 32));
    collisions += distinct(shown) < distinct(items);
    for (int& k : items) k %= 32;
    same_residue += distinct(items) < 4;
  }
  CHECK(chi_square_excess(shift, uniform(32), n) < 4);
  CHECK(same_residue > n / 10);  // 1 - (1 - 1/36)(1 - 2/36)... : any classes can meet
  CHECK((collisions > 0) == !config.distinct_labels);
}

TEST_CASE("a quarter of every class's labels is held out of training, and is all that held_out shows") {
  IclClassificationConfig config = known();
  config.label_law = "relabelled";
  config.relabel_held_out = 0.25;
  const IclClassification task(config, seeds);
  REQUIRE(task.eval_sets() == std::vector<std::string>{"iid", "ic", "held_out"});
  const ClassOf class_of(task);
  const auto pairs = [&](const Sequences& s) {
    std::vector<std::set<int>> shown(256);
    for (int i = 0; i < s.size; ++i) {
      const std::vector<int> items = class_of.items(s, i), all = labels(s, i);
      REQUIRE(distinct(all) == 8);
      check_copies_share_labels(items, all);
      for (std::size_t t = 0; t < 9; ++t) shown[static_cast<std::size_t>(items[t])].insert(all[t]);
    }
    return shown;
  };
  const auto trained = pairs(train_sequences(task, 12000)), iid = pairs(eval_sequences(task, "iid", 5000)),
             held_out = pairs(eval_sequences(task, "held_out", 5000));
  for (std::size_t k = 0; k < 256; ++k) {
    REQUIRE(trained[k].size() == 24);
    REQUIRE(held_out[k].size() == 8);
    for (int label : held_out[k]) REQUIRE(trained[k].count(label) == 0);
    REQUIRE(std::includes(trained[k].begin(), trained[k].end(), iid[k].begin(), iid[k].end()));
  }
}

TEST_CASE("a sequence's map moves all its labels on by tau, and tau follows its law") {
  IclClassificationConfig config = known();
  config.p_novel = 0.3;
  const IclClassification plain(config, seeds);
  config.n_maps = 3;
  config.map_zipf_exponent = GENERATE(0.0, 1.0);
  const IclClassification task(config, seeds);
  CHECK(task.eval_sets() == std::vector<std::string>{"iid", "ic", "meta"});
  const int n = 6000;
  const Sequences s = train_sequences(task, n, 5), unmapped = train_sequences(plain, n, 5);
  CHECK(s.context_match == unmapped.context_match);  // the map's draw leaves the others alone
  std::vector<int> maps(3);
  int left = 0;  // starts at positions 0..23 of 0..48, among the sequences of map 0
  for (int i = 0; i < n; ++i) {
    const std::vector<int> shown = labels(s, i), base = labels(unmapped, i);
    const int tau = (shown[8] - base[8] + 32) % 32;
    ++maps.at(static_cast<std::size_t>(tau));
    const auto position = s.position_block(i, 0);
    left += tau == 0 && std::find(position.begin(), position.end(), 1.0f) - position.begin() < 24;
    for (std::size_t t = 0; t < 9; ++t) REQUIRE(shown[t] == (base[t] + tau) % 32);
  }
  const std::vector<double> law =
      config.map_zipf_exponent == 0 ? uniform(3) : std::vector<double>{6 / 11.0, 3 / 11.0, 2 / 11.0};
  CHECK(chi_square_excess(maps, law, n) < 4);
  CHECK(deviations(left / static_cast<double>(maps[0]), 24 / 49.0, maps[0]) < 4);
}

TEST_CASE("a target outside the context is uniform over the classes that are not in it") {
  IclClassificationConfig config = known();
  config.n_classes = 12;
  config.n_labels = config.novel_pool = 4;
  config.n_pairs = 4;
  config.max_pairs = 4;
  config.burstiness = 2;
  config.n_maps = GENERATE(1, 2);
  const bool in_training = GENERATE(true, false);
  config.target_in_context = !in_training;
  if (!in_training) config.n_maps = 2;
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 12000;
  const Sequences s = in_training ? train_sequences(task, n) : eval_sequences(task, "meta", n);
  std::vector<int> rank(10), maps(2);
  for (int i = 0; i < n; ++i) {
    const std::vector<int> items = class_of.items(s, i);
    const std::set<int> context(items.begin(), items.end() - 1);
    REQUIRE(context.size() == 2);
    REQUIRE(context.count(items.back()) == 0);
    for (int match : s.match_of(i)) REQUIRE(match == 0);
    const auto lower = std::count_if(context.begin(), context.end(), [&](int k) { return k < items.back(); });
    ++rank.at(static_cast<std::size_t>(items.back() - static_cast<int>(lower)));
    const int tau = (s.asked(i) - items.back() + 12) % 4;
    REQUIRE(tau < config.n_maps);
    for (std::size_t pair = 0; pair < 4; ++pair) REQUIRE(s.labels_of(i)[pair] == (items[pair] + tau) % 4);
  }
  CHECK(chi_square_excess(rank, uniform(10), n) < 4);
}

TEST_CASE("test sets of a task without copying: what the context tells is tau alone") {
  IclClassificationConfig config = known();
  config.target_in_context = false;
  CHECK(IclClassification(config, seeds).eval_sets() == std::vector<std::string>{"iid", "ic", "ic2", "iw", "ciwl"});
  config.n_maps = 3;
  CHECK(IclClassification(config, seeds).eval_sets() == std::vector<std::string>{"iid", "ic"});  // meta would be iid
  config.p_bursty = 0.5;
  CHECK(IclClassification(config, seeds).eval_sets() == std::vector<std::string>{"iid", "ic", "meta"});
}

TEST_CASE("with every knob a part of a batch is what the whole holds there, bit for bit") {
  const IclClassificationConfig config = every_knob(GENERATE(false, true));
  const IclClassification task(config, seeds), again(config, seeds);
  const auto check_part = [](const Sequences& whole, const Sequences& part, int first) {
    const auto from = [first, &whole](const auto& array) {
      return array.begin() + static_cast<std::ptrdiff_t>(array.size()) / whole.size * first;
    };
    CHECK(std::equal(part.tokens.begin(), part.tokens.end(), from(whole.tokens)));
    CHECK(std::equal(part.label.begin(), part.label.end(), from(whole.label)));
    CHECK(std::equal(part.context_labels.begin(), part.context_labels.end(), from(whole.context_labels)));
  };
  for (std::int64_t step : {20, 60})
    check_part(train_sequences(task, 64, step), train_sequences(again, 16, step, 40), 40);
  for (const std::string& set : task.eval_sets()) {
    check_part(eval_sequences(task, set, 64), eval_sequences(again, set, 16, 40), 40);
  }
}

TEST_CASE("with every knob a label's token is the label's vector, as the model counts on") {
  const IclClassification task(every_knob(GENERATE(false, true)), seeds);
  std::vector<Sequences> all = {train_sequences(task, 32, 20), train_sequences(task, 32, 60)};
  for (const std::string& set : task.eval_sets()) all.push_back(eval_sequences(task, set, 32));
  for (const Sequences& s : all) {
    for (int i = 0; i < s.size; ++i) {
      for (int pair = 0; pair < s.pairs; ++pair) {
        const auto shown = s.content(i, 2 * pair + 1),
                   meant = task.label_vector(s.labels_of(i)[static_cast<std::size_t>(pair)]);
        REQUIRE(std::equal(shown.begin(), shown.end(), meant.begin(), meant.end()));
      }
    }
  }
}

}  // namespace saltus
