// What every single sample of recall must satisfy, and what configs are refused.
#include <map>
#include <set>

#include "data/recall.h"
#include "data/token_samples.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

RecallConfig with_updates() {
  RecallConfig config;
  config.shape = {.vocab_size = 64, .length = 160};
  config.n_pairs = 8;
  config.n_updates = 5;
  config.query_repeats = 2;
  config.filler = "random";
  return config;
}

RecallConfig noisy() {
  RecallConfig config;
  config.shape = {.vocab_size = 32, .length = 67};
  config.n_pairs = 6;
  config.filler = "random";
  return config;
}

/// The pairs of the block as a reader meets them: key -> (value, position of the value).
struct Memory {
  std::map<int, std::pair<int, int>> value;
  Memory(const TokenSamples& s, int sample, const RecallConfig& config) {
    for (int t = 0; t < config.block_length(); t += 2) value[s.token(sample, t)] = {s.token(sample, t + 1), t + 1};
  }
};

}  // namespace

TEST_CASE("recall is a sequence task") {
  check_sequence_task(Recall(GENERATE(RecallConfig{}, with_updates(), noisy()), seeds));
}

TEST_CASE("a recall sample is a block of pairs, then queries in every second place among filler") {
  const RecallConfig config = GENERATE(RecallConfig{}, with_updates(), noisy());
  const Recall task(config, seeds);
  CHECK(task.eval_sets() == std::vector<std::string>{"test", "far"});
  const auto half = static_cast<int>(config.shape.vocab_size / 2), block = static_cast<int>(config.block_length());
  for (const TokenSamples& s :
       {train_tokens(task, 200), eval_tokens(task, "test", 200), eval_tokens(task, "far", 200)}) {
    for (int i = 0; i < s.size; ++i) {
      for (int t = 0; t < block; t += 2) {
        REQUIRE((s.role_of(i, t) == TokenRole::key && s.token(i, t) >= 1 && s.token(i, t) < half));
        REQUIRE((s.role_of(i, t + 1) == TokenRole::value && s.token(i, t + 1) >= half));
      }
      const std::vector<int> queries = s.queries_of(i);
      REQUIRE(static_cast<std::int64_t>(queries.size()) == config.n_queries());
      for (int t : queries) REQUIRE((t >= block && (t - block) % 2 == 0));
      for (int t = block; t < s.length; ++t) {
        if (!s.asked(i, t)) REQUIRE(s.role_of(i, t) == TokenRole::filler);
      }
    }
  }
}

TEST_CASE("no key comes twice among the pairs, no value twice in the block, and updates are other keys each") {
  const RecallConfig config = GENERATE(RecallConfig{}, with_updates());
  const Recall task(config, seeds);
  const TokenSamples s = train_tokens(task, 300);
  for (int i = 0; i < s.size; ++i) {
    std::set<int> keys, updated, values;
    const int pairs = static_cast<int>(config.n_pairs);
    for (int w = 0; w < config.n_writes(); ++w) {
      (w < pairs ? keys : updated).insert(s.token(i, 2 * w));
      values.insert(s.token(i, 2 * w + 1));
    }
    REQUIRE(static_cast<std::int64_t>(keys.size()) == config.n_pairs);
    REQUIRE(static_cast<std::int64_t>(updated.size()) == config.n_updates);
    REQUIRE(std::includes(keys.begin(), keys.end(), updated.begin(), updated.end()));
    REQUIRE(static_cast<std::int64_t>(values.size()) == config.n_writes());
  }
}

TEST_CASE("who keeps the last value of every key answers every query; who keeps the first fails on the updated keys") {
  const RecallConfig config = GENERATE(RecallConfig{}, with_updates(), noisy());
  const Recall task(config, seeds);
  const TokenSamples s = train_tokens(task, 200);
  for (int i = 0; i < s.size; ++i) {
    const Memory memory(s, i, config);
    std::map<int, int> asked, first_value;
    for (int t = static_cast<int>(config.block_length()) - 2; t >= 0; t -= 2) {
      first_value[s.token(i, t)] = s.token(i, t + 1);
    }
    int stale = 0;
    for (int t : s.queries_of(i)) {
      const auto [value, position] = memory.value.at(s.token(i, t));
      REQUIRE(s.answer(i, t) == value);
      REQUIRE(s.distance[s.at(i, t)] == t - position);
      REQUIRE(s.writes[s.at(i, t)] == config.n_writes() - 1 - position / 2);
      ++asked[s.token(i, t)];
      stale += first_value.at(s.token(i, t)) != s.answer(i, t);
    }
    REQUIRE(asked.size() == memory.value.size());
    for (const auto& [key, n] : asked) REQUIRE(n == config.query_repeats);
    REQUIRE(stale == config.n_updates * config.query_repeats);
  }
}

TEST_CASE("random filler holds no key of the sequence, and nothing in it reads as a pair") {
  const RecallConfig config = GENERATE(with_updates(), noisy());
  const Recall task(config, seeds);
  const TokenSamples s = train_tokens(task, 300);
  std::set<int> seen;
  for (int i = 0; i < s.size; ++i) {
    const Memory memory(s, i, config);
    for (int t = static_cast<int>(config.block_length()); t < s.length; ++t) {
      if (s.asked(i, t)) continue;
      seen.insert(s.token(i, t));
      REQUIRE(memory.value.count(s.token(i, t)) == 0);
      if (s.asked(i, t - 1)) REQUIRE(s.token(i, t) < config.shape.vocab_size / 2);
    }
  }
  CHECK(static_cast<std::int64_t>(seen.size()) == config.shape.vocab_size);
}

TEST_CASE("blank filler is token 0") {
  const Recall task(RecallConfig{}, seeds);
  const TokenSamples s = train_tokens(task, 50);
  for (int i = 0; i < s.size; ++i) {
    for (int t = 8; t < s.length; ++t) {
      if (!s.asked(i, t)) REQUIRE(s.token(i, t) == 0);
    }
  }
}

TEST_CASE("far queries lie in the last quarter; the set is left out where they do not fit") {
  const RecallConfig config = GENERATE(RecallConfig{}, noisy(), with_updates());
  const Recall task(config, seeds);
  const TokenSamples s = eval_tokens(task, "far", 200);
  std::set<int> seen;
  for (int i = 0; i < s.size; ++i) {
    for (int t : s.queries_of(i)) {
      REQUIRE(t >= s.length - s.length / 4);
      seen.insert(t);
    }
  }
  CHECK(*seen.begin() <= s.length - s.length / 4 + 1);
  CHECK(*seen.rbegin() >= s.length - 3);

  RecallConfig tight;
  tight.shape.length = 16;
  CHECK(Recall(tight, seeds).eval_sets() == std::vector<std::string>{"test"});
}

TEST_CASE("another length, filler or gap law leaves the pairs as they are") {
  RecallConfig config = with_updates();
  const Recall base(config, seeds);
  config.shape.length = 333;
  config.filler = "blank";
  config.gap_power = 1;
  const Recall longer(config, seeds);
  const TokenSamples a = train_tokens(base, 20, 5), b = train_tokens(longer, 20, 5);
  for (int i = 0; i < 20; ++i) {
    for (int t = 0; t < config.block_length(); ++t) REQUIRE(a.token(i, t) == b.token(i, t));
  }
}

TEST_CASE("the tightest recall is whole: every key, every value and every slot in use") {
  RecallConfig config;
  config.shape = {.vocab_size = 16, .length = 30};
  config.n_pairs = 7;
  config.n_updates = 1;
  config.filler = "random";
  const Recall task(config, seeds);
  const TokenSamples s = train_tokens(task, 100);
  check_arrays(s, 16);
  for (int i = 0; i < s.size; ++i) {
    for (int t = 17; t < 30; t += 2) REQUIRE(s.token(i, t) == 0);  // the one token that is no key and no value
  }
}

TEST_CASE("each seed of recall changes its own part") {
  const Recall base({}, {.data = 2, .eval = 3}), data({}, {.data = 9, .eval = 3}), eval({}, {.data = 2, .eval = 9});
  const auto train = [](const Recall& task) { return train_tokens(task, 8).tokens; };
  const auto test = [](const Recall& task) { return eval_tokens(task, "test", 8).tokens; };
  CHECK((train(base) != train(data) && test(base) == test(data)));
  CHECK((train(base) == train(eval) && test(base) != test(eval)));
}

TEST_CASE("a recall config that cannot be is refused with what can") {
  const std::vector<Refused> cases = {
      {"{vocab_size: 8, n_pairs: 4}",
       "task.yaml:1:26: error: n_pairs: n_pairs 4 needs as many keys, and vocab_size 8 has 3: use at most 3, or a "
       "vocab_size of at least 10"},
      {"{n_updates: 5}",
       "task.yaml:1:13: error: n_updates: n_updates 5 is more than n_pairs 4: a key is written a second time at most "
       "once"},
      {"{vocab_size: 8, n_pairs: 3, n_updates: 2}",
       "task.yaml:1:40: error: n_updates: n_pairs 3 and n_updates 2 need 5 values, all different, and vocab_size 8 has "
       "4"},
      {"{length: 15}",
       "task.yaml:1:10: error: length: length 15 is too short for 4 pairs and 4 queries, two tokens each: use at least "
       "16"},
      {"{length: 23, query_repeats: 2}",
       "task.yaml:1:10: error: length: length 23 is too short for 4 pairs and 8 queries, two tokens each: use at least "
       "24"},
      {"vocab_size: 3", "task.yaml:1:13: error: vocab_size: must be in [4, 16777216], got 3"},
      {"length: 1", "task.yaml:1:9: error: length: must be in [2, 16777216], got 1"},
      {"n_pairs: 0", "task.yaml:1:10: error: n_pairs: must be in [1, 1048576], got 0"},
      {"gap_power: 1.5", "task.yaml:1:12: error: gap_power: must be in [0, 1], got 1.5"},
      {"filler: noise", "task.yaml:1:9: error: filler: must be one of blank, random, got 'noise'"},
  };
  for (const Refused& c : cases) {
    INFO(c.yaml);
    CHECK(refusal<RecallConfig>(c.yaml) == c.message);
  }
  CHECK(refusal<RecallConfig>("{vocab_size: 8192, length: 256, n_pairs: 64, filler: random}") == "");
  CHECK(refusal<RecallConfig>("{length: 16}") == "");
  CHECK(refusal<RecallConfig>("{length: 24, query_repeats: 2}") == "");
  RecallConfig config;
  config.n_updates = 5;
  CHECK_THROWS_WITH(Recall(config, seeds),
                    "n_updates: n_updates 5 is more than n_pairs 4: a key is written a second time at most once");
}

}  // namespace saltus
