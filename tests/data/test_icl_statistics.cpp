// Laws of icl_classification that show only over many sequences.
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "data/icl_sequences.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

double norm2(std::span<const float> x) {
  double sum = 0;
  for (float v : x) sum += static_cast<double>(v) * v;
  return sum;
}

/// f(k) ~ (k+1)^-alpha.
std::vector<double> zipf(std::int64_t n_classes, double alpha) {
  std::vector<double> f;
  double total = 0;
  for (std::int64_t k = 0; k < n_classes; ++k) total += f.emplace_back(std::pow(static_cast<double>(k + 1), -alpha));
  for (double& p : f) p /= total;
  return f;
}

}  // namespace

TEST_CASE("centres, label vectors and items have squared norm 1 on average, for every noise level") {
  // |N(0, I/D)|^2 has mean 1 and variance 2/D.
  IclClassificationConfig config;
  config.n_classes = 2048;
  for (double eps : {0.0, 0.1, 0.75, 3.0}) {
    config.within_class_noise = eps;
    const IclClassification task(config, seeds);
    double centres = 0, items = 0;
    for (int k = 0; k < 2048; ++k) centres += norm2(task.centre(k)) / 2048;
    CHECK(std::abs(centres - 1) < 4 * std::sqrt(2.0 / 63 / 2048));
    const Sequences s = eval_sequences(task, "iw", 500);
    for (int i = 0; i < s.size; ++i) {
      for (int t = 0; t < 17; t += 2) items += norm2(s.content(i, t)) / (500 * 9);
    }
    CAPTURE(eps);
    CHECK(std::abs(items - 1) < 0.02);
  }
  const IclClassification task(config, seeds);
  double labels = 0;
  for (int l = 0; l < 32; ++l) labels += norm2(task.label_vector(l)) / 32;
  CHECK(std::abs(labels - 1) < 4 * std::sqrt(2.0 / 63 / 32));
}

TEST_CASE("an item is its centre plus fresh noise of size epsilon") {
  IclClassificationConfig config;
  config.within_class_noise = 0.5;
  config.p_novel = 0;
  config.n_classes = 32;  // class = label
  const IclClassification task(config, seeds);
  const Sequences s = train_sequences(task, 1000);
  double squared = 0;
  for (int i = 0; i < s.size; ++i) {
    const auto x = s.content(i, 16), mu = task.centre(s.asked(i));
    for (std::size_t d = 0; d < 63; ++d) squared += std::pow(x[d] * std::sqrt(1.25) - mu[d], 2) / 1000;
  }
  CHECK(std::abs(squared - 0.25) < 4 * 0.25 * std::sqrt(2.0 / 63 / 1000));
  // The target is not a copy of the context's item.
  for (int i = 0; i < s.size; ++i) {
    for (int t = 0; t < 16; t += 2) REQUIRE(s.content(i, t)[0] != s.content(i, 16)[0]);
  }
}

TEST_CASE("the sequence starts uniformly at positions 0..P-T, or at 0") {
  IclClassificationConfig config;
  const IclClassification task(config, seeds);
  const Sequences s = train_sequences(task, 20000);
  std::vector<int> starts(49);
  for (int i = 0; i < s.size; ++i) {
    const auto block = s.position_block(i, 0);
    ++starts.at(static_cast<std::size_t>(std::find(block.begin(), block.end(), 1.0f) - block.begin()));
  }
  CHECK(chi_square_excess(starts, std::vector<double>(49, 1.0 / 49), 20000) < 4);

  config.position_shift = "none";
  const IclClassification fixed(config, seeds);
  const Sequences at_zero = train_sequences(fixed, 100);
  for (int i = 0; i < 100; ++i) REQUIRE(at_zero.position_block(i, 0)[0] == 1);
}

TEST_CASE("outside bursts context and target follow the Zipf law") {
  IclClassificationConfig config = noiseless();
  config.n_classes = 64;
  config.zipf_exponent = GENERATE(0.0, 1.0);
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 10000;
  const Sequences s = eval_sequences(task, "iw", n);
  std::vector<int> context(64), target(64);
  for (int i = 0; i < n; ++i) {
    const std::vector<int> items = class_of.items(s, i);
    for (std::size_t pair = 0; pair < 8; ++pair) ++context.at(static_cast<std::size_t>(items[pair]));
    ++target.at(static_cast<std::size_t>(items.back()));
  }
  const std::vector<double> f = zipf(64, config.zipf_exponent);
  CHECK(chi_square_excess(context, f, 8 * n) < 4);
  CHECK(chi_square_excess(target, f, n) < 4);
}

TEST_CASE("bursts of distinct labels are uniform over classes, whatever the Zipf exponent") {
  IclClassificationConfig config = noiseless();
  config.n_classes = 64;
  config.zipf_exponent = 1;
  config.p_novel = 0;
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 10000;
  const Sequences s = train_sequences(task, n);
  std::vector<int> target(64), first(64);
  for (int i = 0; i < n; ++i) {
    const std::vector<int> items = class_of.items(s, i);
    ++first.at(static_cast<std::size_t>(items.front()));
    ++target.at(static_cast<std::size_t>(items.back()));
  }
  const std::vector<double> uniform(64, 1.0 / 64);
  CHECK(chi_square_excess(first, uniform, n) < 4);
  CHECK(chi_square_excess(target, uniform, n) < 4);
}

TEST_CASE("Zipf bursts of distinct labels are successive draws from f without taken labels") {
  // Three labels of two classes, two of them in a context: P(classes a then b) = f(a) f(b) / (1 - f(label a)), either
  // order.
  IclClassificationConfig config = noiseless();
  config.n_classes = 6;
  config.n_labels = 3;
  config.novel_pool = 3;
  config.n_pairs = 2;
  config.p_novel = 0;
  config.zipf_exponent = 1;
  config.burst_class_law = "zipf";
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 40000;
  const Sequences s = train_sequences(task, n);
  std::vector<int> seen;
  std::vector<double> expected;
  const std::vector<double> f = zipf(6, 1);
  std::map<std::pair<int, int>, int> pairs;
  for (int i = 0; i < n; ++i) {
    const std::vector<int> items = class_of.items(s, i);
    ++pairs[std::minmax(items[0], items[1])];
  }
  for (std::size_t a = 0; a < 6; ++a) {
    for (std::size_t b = a + 1; b < 6; ++b) {
      if (a % 3 == b % 3) continue;
      seen.push_back(pairs[{static_cast<int>(a), static_cast<int>(b)}]);
      expected.push_back(f[a] * f[b] / (1 - f[a % 3] - f[a % 3 + 3]) + f[b] * f[a] / (1 - f[b % 3] - f[b % 3 + 3]));
    }
  }
  CHECK(chi_square_excess(seen, expected, n) < 4);
}

TEST_CASE("without distinct labels the classes of a burst are independent draws") {
  IclClassificationConfig config = noiseless();
  config.p_novel = 0;
  config.distinct_labels = false;
  config.n_classes = 64;
  config.zipf_exponent = 1;
  config.burst_class_law = GENERATE("uniform", "zipf");
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 10000;
  const Sequences s = train_sequences(task, n);
  std::vector<int> first(64);
  int repeated = 0;
  for (int i = 0; i < n; ++i) {
    const std::vector<int> items = class_of.items(s, i);
    ++first.at(static_cast<std::size_t>(items.front()));
    repeated += std::set<int>(items.begin(), items.end() - 1).size() < 8;
  }
  CHECK(chi_square_excess(first, zipf(64, config.burst_class_law == "zipf" ? 1 : 0), n) < 4);
  CHECK(repeated > n / 4);  // 1 - prod(1 - i/64) = 0.36 for uniform draws, more for Zipf
}

TEST_CASE("p_novel and p_bursty are the fractions they say") {
  IclClassificationConfig config = noiseless();
  config.p_novel = 0.3;
  config.p_bursty = 0.6;
  config.n_classes = 2048;  // hardly any accidental hit in sequences that do not burst
  const IclClassification task(config, seeds);
  const ClassOf class_of(task);
  const int n = 10000;
  const Sequences s = train_sequences(task, n);
  int novel = 0, bursty = 0;
  for (int i = 0; i < n; ++i) {
    const bool is_novel = class_of(s.content(i, 16)) == -1;
    novel += is_novel;
    bursty += !is_novel && std::count(s.match_of(i).begin(), s.match_of(i).end(), 1) > 0;
  }
  CHECK(deviations(novel / 10000.0, 0.3, n) < 4);
  const double hit = 1 - std::pow(1 - 1 / 2048.0, 8);
  CHECK(deviations(static_cast<double>(bursty) / (n - novel), 0.6 + 0.4 * hit, n - novel) < 4);
}

TEST_CASE("in iw the target's class and label are in the context by accident as often as they should") {
  IclClassificationConfig config;
  config.n_classes = 128;
  const IclClassification task(config, seeds);
  const int n = 20000;
  const Sequences s = eval_sequences(task, "iw", n);
  int class_hits = 0, label_hits = 0;
  for (int i = 0; i < n; ++i) {
    class_hits += std::count(s.match_of(i).begin(), s.match_of(i).end(), 1) > 0;
    label_hits += std::count(s.labels_of(i).begin(), s.labels_of(i).end(), s.asked(i)) > 0;
  }
  CHECK(deviations(class_hits / 20000.0, 1 - std::pow(1 - 1 / 128.0, 8), n) < 4);
  CHECK(deviations(label_hits / 20000.0, 1 - std::pow(1 - 1 / 32.0, 8), n) < 4);
}

TEST_CASE("every label stands at every place of the context equally often") {
  IclClassificationConfig config;
  config.burstiness = GENERATE(1, 2);
  const IclClassification task(config, seeds);
  const int n = 10000;
  const Sequences s = eval_sequences(task, "ic", n);
  for (std::size_t pair = 0; pair < 8; ++pair) {
    std::vector<int> shown(32);
    for (int i = 0; i < n; ++i) ++shown.at(static_cast<std::size_t>(s.labels_of(i)[pair]));
    CAPTURE(pair);
    CHECK(chi_square_excess(shown, std::vector<double>(32, 1.0 / 32), n) < 4);
  }
}

TEST_CASE("novel classes are uniform over the pool, whatever the Zipf exponent") {
  IclClassificationConfig config = noiseless();
  config.zipf_exponent = 2;
  config.burst_class_law = "zipf";
  config.distinct_labels = GENERATE(true, false);
  const IclClassification task(config, seeds);
  const int n = 20000;
  const Sequences s = eval_sequences(task, "ic", n);
  std::map<float, int> targets;  // by the first component of the centre
  for (int i = 0; i < n; ++i) ++targets[s.content(i, 16)[0]];
  std::vector<int> seen;
  for (const auto& [component, times] : targets) seen.push_back(times);
  REQUIRE(seen.size() == 128);
  CHECK(chi_square_excess(seen, std::vector<double>(128, 1.0 / 128), n) < 4);
}

TEST_CASE("the target's slot is uniform") {
  const IclClassification task({}, seeds);
  const Sequences s = eval_sequences(task, "ic", 10000);
  std::vector<int> slots(8);
  for (int i = 0; i < s.size; ++i) {
    for (std::size_t pair = 0; pair < 8; ++pair) slots[pair] += s.match_of(i)[pair];
  }
  CHECK(chi_square_excess(slots, std::vector<double>(8, 1.0 / 8), 10000) < 4);
}

}  // namespace saltus
