// Laws of recall that show only over many samples. The seeds are fixed; the bounds are in standard errors.
#include "data/recall.h"
#include "data/token_samples.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

RecallConfig small() {
  RecallConfig config;
  config.shape = {.vocab_size = 32, .length = 48};
  config.n_pairs = 4;
  config.n_updates = 2;
  return config;
}

}  // namespace

TEST_CASE("keys and values are uniform at every place of the block, and a key says nothing about its value") {
  const Recall task(small(), seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  for (int w = 0; w < 6; ++w) {
    std::vector<int> keys(15), values(16), joint(15 * 16);
    for (int i = 0; i < n; ++i) {
      const int key = s.token(i, 2 * w) - 1, value = s.token(i, 2 * w + 1) - 16;
      ++keys[static_cast<std::size_t>(key)];
      ++values[static_cast<std::size_t>(value)];
      ++joint[static_cast<std::size_t>(key * 16 + value)];
    }
    CAPTURE(w);
    CHECK(uniform_excess(keys) < 4);
    CHECK(uniform_excess(values) < 4);
    CHECK(uniform_excess(joint) < 4);
  }
}

TEST_CASE("which keys are written again is uniform over the pairs") {
  const Recall task(small(), seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  std::vector<int> ordered(16);
  for (int i = 0; i < n; ++i) {
    int which[2] = {-1, -1};
    for (int u = 0; u < 2; ++u) {
      for (int p = 0; p < 4; ++p) {
        if (s.token(i, 8 + 2 * u) == s.token(i, 2 * p)) which[u] = p;
      }
    }
    ++ordered[static_cast<std::size_t>(which[0] * 4 + which[1])];
  }
  std::vector<int> possible;
  for (std::size_t k = 0; k < 16; ++k) {
    if (k % 5 == 0) {
      CHECK(ordered[k] == 0);  // twice the same
    } else {
      possible.push_back(ordered[k]);
    }
  }
  CHECK(uniform_excess(possible) < 4);
}

TEST_CASE("a lone query's gap has the power law, or is uniform with gap_power 1") {
  RecallConfig config;
  config.shape.length = 66;
  config.n_pairs = 1;
  config.gap_power = GENERATE(0.01, 0.5, 1.0);
  const Recall task(config, seeds);
  const int n = 40000, slots = 32;
  const TokenSamples s = train_tokens(task, n);
  std::vector<int> counts(slots);
  for (int i = 0; i < n; ++i) ++counts[static_cast<std::size_t>((s.queries_of(i).at(0) - 2) / 2)];
  double total = 0;
  for (int k = 1; k <= slots; ++k) total += std::pow(k, config.gap_power - 1);
  for (int k = 1; k <= slots; ++k) {
    CAPTURE(config.gap_power, k);
    const double expected = std::pow(k, config.gap_power - 1) / total;
    CHECK(fraction_deviations(static_cast<double>(counts[static_cast<std::size_t>(k - 1)]) / n, expected, n) < 4);
  }
}

TEST_CASE("which key is asked first is uniform over the pairs, so a query's place says nothing about its key") {
  const Recall task(small(), seeds);
  const int n = 20000;
  for (const TokenSamples& s : {train_tokens(task, n), eval_tokens(task, "far", n)}) {
    std::vector<int> first(4);
    for (int i = 0; i < n; ++i) {
      for (int p = 0; p < 4; ++p) {
        first[static_cast<std::size_t>(p)] += s.token(i, s.queries_of(i)[0]) == s.token(i, 2 * p);
      }
    }
    CHECK(uniform_excess(first) < 4);
  }
}

TEST_CASE("far queries are uniform over the slots of the last quarter") {
  const Recall task(small(), seeds);
  const int n = 20000;
  const TokenSamples s = eval_tokens(task, "far", n);
  std::vector<int> counts(6);
  for (int i = 0; i < n; ++i) {
    for (int t : s.queries_of(i)) ++counts[static_cast<std::size_t>((t - 36) / 2)];
  }
  // Four of six slots are taken each time: the scatter is smaller than that of independent draws.
  CHECK(uniform_excess(counts) < 1);
  CHECK(counts[0] > 0);
}

TEST_CASE(
    "a reader without memory scores 1 in the number of values, one who names a value of the block 1 in its size") {
  const Recall task(small(), seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  const Rng rng(99, Stream::init);
  int blind = 0, from_block = 0;
  for (int i = 0; i < n; ++i) {
    RngCursor cursor(rng, static_cast<std::uint32_t>(i), 0, 0);
    const int t = s.queries_of(i)[0];
    blind += s.answer(i, t) == 16 + static_cast<int>(cursor.below(16));
    from_block += s.answer(i, t) == s.token(i, 2 * static_cast<int>(cursor.below(6)) + 1);
  }
  CHECK(fraction_deviations(static_cast<double>(blind) / n, 1.0 / 16, n) < 4);
  CHECK(fraction_deviations(static_cast<double>(from_block) / n, 1.0 / 6, n) < 4);
}

TEST_CASE("what is written says nothing about the order in which it is asked") {
  const Recall task(small(), seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  std::vector<int> joint(5 * 4);
  for (int i = 0; i < n; ++i) {
    int first = 0;
    while (s.token(i, 2 * first) != s.token(i, s.queries_of(i)[0])) ++first;
    ++joint[static_cast<std::size_t>((s.token(i, 0) - 1) / 3 * 4 + first)];
  }
  CHECK(uniform_excess(joint) < 4);
}

TEST_CASE("filler says nothing about where the query is") {
  RecallConfig config = small();
  config.n_pairs = 1;
  config.n_updates = 0;
  config.gap_power = 1;
  config.filler = "random";
  const Recall task(config, seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  for (int t = 2; t < 8; ++t) {
    std::vector<int> joint(2 * 4);  // a query in one of the slots 4..12 or 13..21, and a value among the filler
    for (int i = 0; i < n; ++i) {
      const int slot = (s.queries_of(i)[0] - 2) / 2;
      if (slot < 4 || slot > 21 || s.token(i, t) < 16) continue;
      ++joint[static_cast<std::size_t>(slot / 13 * 4 + (s.token(i, t) - 16) / 4)];
    }
    CAPTURE(t);
    CHECK(uniform_excess(joint) < 4);
  }
}

TEST_CASE("random filler is uniform over the tokens that are no keys of the sequence") {
  RecallConfig config = small();
  config.n_pairs = 1;
  config.n_updates = 0;
  config.filler = "random";
  const Recall task(config, seeds);
  const int n = 4000;
  const TokenSamples s = train_tokens(task, n);
  std::vector<int> anywhere(31), after_query(15);
  for (int i = 0; i < n; ++i) {
    for (int t = 2; t < s.length; ++t) {
      if (s.asked(i, t)) continue;
      const int rank = s.token(i, t) - (s.token(i, t) > s.token(i, 0));
      ++(s.asked(i, t - 1) ? after_query : anywhere)[static_cast<std::size_t>(rank)];
    }
  }
  CHECK(uniform_excess(anywhere) < 4);
  CHECK(uniform_excess(after_query) < 4);
}

}  // namespace saltus
