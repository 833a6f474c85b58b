#include <map>
#include <set>

#include "data/needle.h"
#include "data/token_samples.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

NeedleConfig needles(std::int64_t n_pairs, const std::string& filler, std::int64_t length = 61) {
  NeedleConfig config;
  config.shape = {.vocab_size = 64, .length = length};
  config.n_pairs = n_pairs;
  config.filler = filler;
  return config;
}

TokenSamples stretch_of_eval(const Needle& task, int set, int n, std::int64_t from, std::int64_t count, int first = 0) {
  TokenSamples s(n, count);
  task.stretch_of_eval(set, first, from, count, s.batch());
  return s;
}

/// Positions of a sample's keys in order.
std::vector<int> key_positions(const TokenSamples& s, int sample) {
  std::vector<int> out;
  for (int t = 0; t < s.length; ++t) {
    if (s.role_of(sample, t) == TokenRole::key) out.push_back(t);
  }
  return out;
}

}  // namespace

TEST_CASE("needle is a sequence task") {
  check_sequence_task(Needle(needles(GENERATE(1, 4), GENERATE("random", "repeated")), seeds));
}

TEST_CASE("a needle sample is filler with pairs of different keys in it, and at the end one of the keys") {
  const NeedleConfig config = needles(GENERATE(1, 3, 4), GENERATE("random", "repeated"));
  const Needle task(config, seeds);
  CHECK(task.eval_sets() == std::vector<std::string>{"test", "far"});
  for (const TokenSamples& s :
       {train_tokens(task, 200), eval_tokens(task, "test", 200), eval_tokens(task, "far", 200)}) {
    for (int i = 0; i < s.size; ++i) {
      const std::vector<int> keys = key_positions(s, i);
      std::map<int, int> value_position;
      std::set<int> values;
      for (int t : keys) {
        REQUIRE((s.token(i, t) >= 1 && s.token(i, t) < 16));
        REQUIRE((s.role_of(i, t + 1) == TokenRole::value && s.token(i, t + 1) >= 16 && s.token(i, t + 1) < 32));
        value_position[s.token(i, t)] = t + 1;
        values.insert(s.token(i, t + 1));
      }
      REQUIRE(static_cast<std::int64_t>(value_position.size()) == config.n_pairs);
      REQUIRE(static_cast<std::int64_t>(values.size()) == config.n_pairs);
      int fillers = 0;
      for (int t = 0; t < s.length; ++t) {
        if (s.role_of(i, t) != TokenRole::filler) continue;
        ++fillers;
        REQUIRE(s.token(i, t) >= 32);
      }
      REQUIRE(fillers == config.n_filler());

      // The perfect reader: the value that came with the key.
      const int last = s.length - 1;
      REQUIRE(s.queries_of(i) == std::vector<int>{last});
      const int answered_at = value_position.at(s.token(i, last));
      REQUIRE(s.answer(i, last) == s.token(i, answered_at));
      REQUIRE(s.distance[s.at(i, last)] == last - answered_at);
      int later = 0;
      for (int t : keys) later += t > answered_at;
      REQUIRE(s.writes[s.at(i, last)] == later);
    }
  }
}

TEST_CASE("repeated filler is one sentence of different tokens that goes on behind each pair") {
  NeedleConfig config = needles(3, "repeated");
  config.sentence_length = 5;
  const Needle task(config, seeds);
  REQUIRE(task.sentence().size() == 5);
  CHECK(std::set<int>(task.sentence().begin(), task.sentence().end()).size() == 5);
  const TokenSamples s = train_tokens(task, 100);
  for (int i = 0; i < s.size; ++i) {
    std::size_t next = 0;
    for (int t = 0; t < s.length; ++t) {
      if (s.role_of(i, t) == TokenRole::filler) REQUIRE(s.token(i, t) == task.sentence()[next++ % 5]);
    }
  }
  CHECK(Needle(needles(3, "random"), seeds).sentence().empty());
  const auto sentence_of = [&config](std::uint64_t seed) {
    const Needle other(config, {.task = seed});
    return std::vector<std::int32_t>(other.sentence().begin(), other.sentence().end());
  };
  CHECK(sentence_of(4) == std::vector<std::int32_t>(task.sentence().begin(), task.sentence().end()));
  CHECK(sentence_of(4) != sentence_of(5));
}

TEST_CASE("pairs lie anywhere, uniformly; those of the far set anywhere in the first quarter") {
  const NeedleConfig config = needles(2, "random", 29);
  const Needle task(config, seeds);
  const int n = 20000;
  for (const std::string set : {"test", "far"}) {
    const TokenSamples s = eval_tokens(task, set, n);
    // Two pairs among m filler tokens: (m + 2 choose 2) arrangements, all equally likely.
    const int tokens = set == "far" ? 7 : 28, places = tokens - 2;
    std::map<std::vector<int>, int> seen;
    for (int i = 0; i < n; ++i) ++seen[key_positions(s, i)];
    std::vector<int> counts;
    for (const auto& [positions, count] : seen) {
      REQUIRE(positions.back() + 1 < tokens);
      counts.push_back(count);
    }
    CAPTURE(set);
    CHECK(static_cast<int>(counts.size()) == places * (places - 1) / 2);
    CHECK(uniform_excess(counts) < 4);
  }
}

TEST_CASE("keys, values, filler tokens and which pair is asked are uniform; a blind reader scores 1 in 16") {
  const Needle task(needles(4, "random"), seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  std::vector<int> keys(15), values(16), filler(32), asked(4), answers(16);
  for (int i = 0; i < n; ++i) {
    const std::vector<int> at = key_positions(s, i);
    ++keys[static_cast<std::size_t>(s.token(i, at[0]) - 1)];
    ++values[static_cast<std::size_t>(s.token(i, at[3] + 1) - 16)];
    ++asked[static_cast<std::size_t>(3 - s.writes[s.at(i, 60)])];
    ++answers[static_cast<std::size_t>(s.answer(i, 60) - 16)];
    for (int t = 0; t < 60; ++t) {
      if (s.role_of(i, t) == TokenRole::filler) ++filler[static_cast<std::size_t>(s.token(i, t) - 32)];
    }
  }
  CHECK(uniform_excess(keys) < 4);
  CHECK(uniform_excess(values) < 4);
  CHECK(uniform_excess(filler) < 4);
  CHECK(uniform_excess(asked) < 4);
  CHECK(uniform_excess(answers) < 4);
}

TEST_CASE("neighbouring filler tokens are independent, within a random block and across two") {
  const Needle task(needles(1, "random", 64), seeds);
  const int n = 40000;
  const TokenSamples s = train_tokens(task, n);
  for (const int t : {12, 13, 14, 15}) {
    std::vector<int> joint(16);
    for (int i = 0; i < n; ++i) {
      if (s.role_of(i, t) != TokenRole::filler || s.role_of(i, t + 1) != TokenRole::filler) continue;
      ++joint[static_cast<std::size_t>((s.token(i, t) - 32) / 8 * 4 + (s.token(i, t + 1) - 32) / 8)];
    }
    CHECK(uniform_excess(joint) < 4);
  }
}

TEST_CASE("any stretch of a sequence has the bytes of the whole there") {
  const Needle task(needles(GENERATE(1, 4), GENERATE("random", "repeated")), seeds);
  for (int set : {0, 1}) {
    const TokenSamples whole = eval_tokens(task, task.eval_sets()[static_cast<std::size_t>(set)], 12);
    for (int from = 0; from < 61; ++from) {
      for (int count : {1, 2, 7, 61 - from}) {
        if (from + count > 61) continue;
        REQUIRE(whole.holds(stretch_of_eval(task, set, 4, from, count, 5), 5, from));
      }
    }
  }
  const TokenSamples whole = train_tokens(task, 12, 9);
  TokenSamples part(3, 20);
  task.stretch_of_train(9, 2, 33, 20, part.batch());
  CHECK(whole.holds(part, 2, 33));
}

TEST_CASE("a sequence of millions of tokens is streamed at the memory of a stretch") {
  NeedleConfig config = needles(4, GENERATE("random", "repeated"), 3000001);
  const Needle task(config, seeds);
  std::map<int, int> value_of;
  std::int64_t fillers = 0;
  int last_key = 0;
  TokenSamples s(1, 1000);
  for (std::int64_t from = 0; from < config.shape.length; from += s.length) {
    const std::int64_t count = std::min<std::int64_t>(1000, config.shape.length - from);
    if (count < s.length) s = TokenSamples(1, count);
    task.stretch_of_eval(0, 0, from, count, s.batch());
    for (int t = 0; t < s.length; ++t) {
      fillers += s.role_of(0, t) == TokenRole::filler;
      if (s.role_of(0, t) == TokenRole::key) last_key = s.token(0, t);
      if (s.role_of(0, t) == TokenRole::value) value_of[last_key] = s.token(0, t);
    }
  }
  CHECK(fillers == config.n_filler());
  REQUIRE(s.length == 1);
  CHECK(s.answer(0, 0) == value_of.at(s.token(0, 0)));
  CHECK(s.distance[0] > 0);
}

TEST_CASE("another length keeps the pairs, the question and the random filler of a position") {
  const Needle base(needles(2, "random", 61), seeds), longer(needles(2, "random", 500), seeds);
  const TokenSamples a = train_tokens(base, 50, 3), b = train_tokens(longer, 50, 3);
  for (int i = 0; i < 50; ++i) {
    CHECK(a.token(i, 60) == b.token(i, 499));
    CHECK(a.answer(i, 60) == b.answer(i, 499));
    for (int t = 0; t < 60; ++t) {
      if (a.role_of(i, t) == TokenRole::filler && b.role_of(i, t) == TokenRole::filler) {
        REQUIRE(a.token(i, t) == b.token(i, t));
      }
    }
  }
}

TEST_CASE("the shortest needle is pairs and a query; far is left out where it does not fit") {
  for (const char* filler : {"random", "repeated"}) {
    const Needle task(needles(2, filler, 5), seeds);
    CHECK(task.eval_sets() == std::vector<std::string>{"test"});
    const TokenSamples s = train_tokens(task, 50);
    for (int i = 0; i < s.size; ++i) CHECK(key_positions(s, i) == std::vector<int>{0, 2});
  }
  CHECK(Needle(needles(2, "random", 15), seeds).eval_sets().size() == 1);
  CHECK(Needle(needles(2, "random", 16), seeds).eval_sets().size() == 2);
}

TEST_CASE("a needle config that cannot be, and a stretch outside the sequence, are refused") {
  const std::vector<Refused> cases = {
      {"{vocab_size: 12, n_pairs: 3}",
       "task.yaml:1:27: error: n_pairs: n_pairs 3 needs as many keys, and vocab_size 12 has 2, a quarter without the "
       "blank: use a vocab_size of at least 16"},
      {"{length: 8, n_pairs: 4}",
       "task.yaml:1:10: error: length: length 8 is too short for n_pairs 4 of two tokens each and the query: use at "
       "least 9"},
      {"{vocab_size: 12, filler: repeated, sentence_length: 7}",
       "task.yaml:1:53: error: sentence_length: a sentence of 7 different tokens needs as many filler tokens, and "
       "vocab_size 12 has 6"},
      {"n_pairs: 5", "task.yaml:1:10: error: n_pairs: must be in [1, 4], got 5"},
      {"filler: essay", "task.yaml:1:9: error: filler: must be one of random, repeated, got 'essay'"},
  };
  for (const Refused& c : cases) {
    INFO(c.yaml);
    CHECK(refusal<NeedleConfig>(c.yaml) == c.message);
  }
  CHECK(refusal<NeedleConfig>("{vocab_size: 8, sentence_length: 4}") == "");
  CHECK(refusal<NeedleConfig>("{length: 9, n_pairs: 4}") == "");
  CHECK(refusal<NeedleConfig>("{vocab_size: 16, n_pairs: 3}") == "");

  const Needle task(needles(1, "random", 20), seeds);
  CHECK_THROWS_WITH(stretch_of_eval(task, 0, 1, 18, 3), "positions 18..20 are not a stretch of the sequence's 0..19");
  CHECK_THROWS_WITH(stretch_of_eval(task, 0, 1, -1, 3), "positions -1..1 are not a stretch of the sequence's 0..19");
  CHECK_THROWS_WITH(stretch_of_eval(task, 2, 1, 0, 3), "test set 2 is outside 0..1");
}

}  // namespace saltus
