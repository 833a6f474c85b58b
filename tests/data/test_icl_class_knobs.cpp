// Knobs of icl_classification about classes and items: schedules of novel classes and of forgetting, exemplars, common
// and rare classes.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "data/icl_sequences.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

using Content = std::vector<float>;

Content content(const Sequences& s, int sequence, int t) {
  const auto x = s.content(sequence, t);
  return {x.begin(), x.end()};
}

/// The different items that each label was shown with.
std::map<int, std::map<Content, int>> items_by_label(const Sequences& s) {
  std::map<int, std::map<Content, int>> out;
  for (int i = 0; i < s.size; ++i) {
    for (int pair = 0; pair < s.pairs; ++pair) {
      ++out[s.labels_of(i)[static_cast<std::size_t>(pair)]][content(s, i, 2 * pair)];
    }
  }
  return out;
}

double norm2(const Content& x) {
  double sum = 0;
  for (float v : x) sum += static_cast<double>(v) * v;
  return sum;
}

/// As many classes as labels, all known: the label shown is the class.
IclClassificationConfig class_is_label() {
  IclClassificationConfig config = noiseless();
  config.n_classes = 32;
  config.p_novel = 0;
  return config;
}

/// How often a known class is the target, and (times 8) in the context.
struct ClassCounts {
  std::vector<int> target, context;
  ClassCounts(const IclClassification& task, const Sequences& s)
      : target(static_cast<std::size_t>(task.config().n_classes)), context(target) {
    const ClassOf class_of(task);
    for (int i = 0; i < s.size; ++i) {
      const std::vector<int> items = class_of.items(s, i);
      ++target.at(static_cast<std::size_t>(items.back()));
      for (std::size_t pair = 0; pair + 1 < items.size(); ++pair) ++context.at(static_cast<std::size_t>(items[pair]));
    }
  }
};

}  // namespace

TEST_CASE("p_novel moves linearly to p_novel_end and stays there, where iid is") {
  IclClassificationConfig config = noiseless();
  config.p_novel = 0.9;
  config.p_novel_end = 0.1;
  config.p_novel_steps = 1000;
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 4000;
  const auto novel = [&](const Sequences& s) {
    int count = 0;
    for (int i = 0; i < n; ++i) count += class_of(s.content(i, 16)) == -1;
    return count / static_cast<double>(n);
  };
  const std::map<std::int64_t, double> expected = {{0, 0.9}, {250, 0.7}, {500, 0.5}, {1000, 0.1}, {123456, 0.1}};
  for (const auto& [step, p] : expected) {
    CAPTURE(step);
    CHECK(deviations(novel(train_sequences(task, n, step)), p, n) < 4);
  }
  CHECK(deviations(novel(eval_sequences(task, "iid", n)), 0.1, n) < 4);
}

TEST_CASE("centres are redrawn every redraw_every steps, until those of the test sets come and stay") {
  IclClassificationConfig config = class_is_label();
  config.redraw_every = 5;
  config.redraw_steps = 13;
  const IclClassification task(config, seeds);
  const auto classes_at = [&task](std::int64_t step) {
    std::map<int, Content> out;
    for (const auto& [label, items] : items_by_label(train_sequences(task, 200, step))) {
      REQUIRE(items.size() == 1);
      out[label] = items.begin()->first;
    }
    REQUIRE(out.size() == 32);
    return out;
  };
  const auto first = classes_at(0), second = classes_at(5), third = classes_at(12), final = classes_at(13);
  CHECK(classes_at(4) == first);
  CHECK(classes_at(9) == second);
  CHECK(classes_at(10) == third);
  CHECK(classes_at(20000) == final);
  double size = 0;
  for (int k = 0; k < 32; ++k) {
    REQUIRE((first.at(k) != second.at(k) && second.at(k) != third.at(k) && third.at(k) != final.at(k)));
    REQUIRE(std::equal(final.at(k).begin(), final.at(k).end(), task.centre(k).begin()));
    size += (norm2(first.at(k)) + norm2(second.at(k)) + norm2(third.at(k))) / 96;
  }
  CHECK(std::abs(size - 1) < 4 * std::sqrt(2.0 / 63 / 96));
  const ClassOf class_of(task);
  const Sequences iw = eval_sequences(task, "iw", 100);
  for (int i = 0; i < 100; ++i) REQUIRE(class_of(iw.content(i, 16)) == iw.asked(i));
}

TEST_CASE("without redraw_steps the classes of training never stay") {
  IclClassificationConfig config = class_is_label();
  config.redraw_every = 1000;
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  for (std::int64_t step : {0, 999, 1000, 2000000})
    REQUIRE(class_of(train_sequences(task, 1, step).content(0, 16)) == -1);
}

TEST_CASE("a class has so many exemplars, all alike often, and they are centre plus noise of size epsilon") {
  IclClassificationConfig config = class_is_label();
  config.within_class_noise = 0.5;
  config.exemplars = GENERATE(1, 4);
  config.redraw_every = GENERATE(0, 10);
  config.redraw_steps = config.redraw_every > 0 ? std::optional<std::int64_t>(10) : std::nullopt;
  const IclClassification task(config, seeds);
  const auto now = items_by_label(train_sequences(task, 2000, 3)),
             later = items_by_label(train_sequences(task, 2000, 9)),
             last = items_by_label(train_sequences(task, 2000, 30));
  REQUIRE(last.size() == 32);
  std::vector<int> times;
  double squared = 0;
  for (const auto& [label, items] : last) {
    REQUIRE(items.size() == static_cast<std::size_t>(config.exemplars));
    const auto mu = task.centre(label);
    for (const auto& [x, count] : items) {
      for (std::size_t d = 0; d < 63; ++d) squared += std::pow(x[d] * std::sqrt(1.25) - mu[d], 2);
      times.push_back(count);
      REQUIRE(now.at(label).count(x) == (config.redraw_every == 0));  // a redrawn class has other exemplars
    }
    for (const auto& [x, count] : now.at(label)) REQUIRE(later.at(label).count(x) == 1);
  }
  const auto n_items = static_cast<double>(times.size());
  CHECK(std::abs(squared / n_items - 0.25) < 4 * 0.25 * std::sqrt(2.0 / 63 / n_items));
  CHECK(chi_square_excess(times, std::vector<double>(times.size(), 1 / n_items), 16000) < 4);
}

TEST_CASE("novel and redrawn classes have exemplars too, others whenever their centre is another") {
  IclClassificationConfig config;
  config.exemplars = 3;
  config.within_class_noise = 1e5;  // what differs is the noise, not the centre
  config.n_classes = 128;
  const bool novel = GENERATE(true, false);
  config.p_novel = novel;
  config.redraw_every = novel ? 0 : 1;
  const IclClassification task(config, seeds);
  std::set<Content> seen;
  const auto see = [&](std::int64_t step) {
    const Sequences s = train_sequences(task, 1000, step);
    for (int i = 0; i < s.size; ++i) {
      for (int t = 0; t <= 16; t += 2) {
        Content x = content(s, i, t);
        for (float& v : x) v = std::round(100 * v);
        seen.insert(x);
      }
    }
    return seen.size();
  };
  CHECK(see(1) == 3 * 128);
  CHECK(see(2) == 2 * 3 * 128);
}

TEST_CASE("p_common is the share of the common classes outside bursts, of context and target") {
  IclClassificationConfig config = noiseless();
  config.n_classes = 64;
  config.n_common = 8;
  config.p_common = 0.75;
  config.p_bursty = 0;
  config.p_novel = 0;
  const IclClassification task(config, seeds);
  const int n = 10000;
  std::vector<double> law(64, 0.25 / 56);
  std::fill_n(law.begin(), 8, 0.75 / 8);
  const ClassCounts train(task, train_sequences(task, n)), iw(task, eval_sequences(task, "iw", n));
  CHECK(chi_square_excess(train.context, law, 8 * n) < 4);
  CHECK(chi_square_excess(train.target, law, n) < 4);
  CHECK(chi_square_excess(iw.target, law, n) < 4);
}

TEST_CASE("bursts follow the law of common and rare classes only if they are told to") {
  IclClassificationConfig config = noiseless();
  config.n_classes = 64;
  config.n_common = 8;
  config.p_common = 0.75;
  config.p_novel = 0;
  config.distinct_labels = false;
  config.burst_class_law = GENERATE("uniform", "zipf");
  const IclClassification task(config, seeds);
  const ClassCounts train(task, train_sequences(task, 5000));
  std::vector<double> law(64, 1.0 / 64);
  if (config.burst_class_law == "zipf") {
    law.assign(64, 0.25 / 56);
    std::fill_n(law.begin(), 8, 0.75 / 8);
  }
  CHECK(chi_square_excess(train.target, law, 5000) < 4);
}

TEST_CASE("iw_common and iw_rare ask for the common and the rare classes, contexts being those of iw") {
  IclClassificationConfig config = noiseless();
  config.n_classes = 64;
  config.n_common = 8;
  config.zipf_exponent = GENERATE(0.0, 1.0);  // n_common alone splits the Zipf law into head and tail
  const IclClassification task(config, seeds);
  const int n = 10000;
  std::vector<double> law(64);
  double head = 0, all = 0;
  for (std::size_t k = 0; k < 64; ++k) {
    law[k] = std::pow(static_cast<double>(k + 1), -config.zipf_exponent);
    all += law[k];
    if (k < 8) head += law[k];
  }
  const bool common = GENERATE(true, false);
  const ClassCounts counts(task, eval_sequences(task, common ? "iw_common" : "iw_rare", n));
  const std::ptrdiff_t from = common ? 0 : 8, to = common ? 8 : 64;
  std::vector<double> part(law.begin() + from, law.begin() + to);
  for (double& p : part) p /= common ? head : all - head;
  for (double& p : law) p /= all;
  const std::vector<int> asked(counts.target.begin() + from, counts.target.begin() + to);
  REQUIRE(std::accumulate(asked.begin(), asked.end(), 0) == n);
  CHECK(chi_square_excess(asked, part, n) < 4);
  CHECK(chi_square_excess(counts.context, law, 8 * n) < 4);
}

TEST_CASE("a rare class is found even where the Zipf law leaves it no probability") {
  IclClassificationConfig config = noiseless();
  config.zipf_exponent = 400;
  config.n_common = 128;
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const Sequences s = eval_sequences(task, "iw_rare", 100);
  for (int i = 0; i < 100; ++i) REQUIRE(class_of(s.content(i, 16)) >= 128);
}

}  // namespace saltus
