#include <map>

#include "data/selective_copy.h"
#include "data/token_samples.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

SelectiveCopyConfig small(const std::string& spacing = "random") {
  SelectiveCopyConfig config;
  config.shape = {.vocab_size = 10, .length = 20};
  config.n_marked = 3;
  config.spacing = spacing;
  return config;
}

}  // namespace

TEST_CASE("selective_copy is a sequence task") {
  SelectiveCopyConfig config;
  config.spacing = GENERATE("random", "none");
  check_sequence_task(SelectiveCopy(config, seeds));
}

TEST_CASE("who writes down what is not blank gives the tokens back in order at the markers") {
  const SelectiveCopyConfig config = GENERATE(SelectiveCopyConfig{}, small(), small("none"));
  const SelectiveCopy task(config, seeds);
  const TokenSamples s = train_tokens(task, 300);
  const int marker = static_cast<int>(config.shape.vocab_size) - 1, inputs = static_cast<int>(config.input_length());
  for (int i = 0; i < s.size; ++i) {
    std::vector<int> places;
    for (int t = 0; t < inputs; ++t) {
      REQUIRE(s.token(i, t) < marker);
      REQUIRE((s.role_of(i, t) == TokenRole::value) == (s.token(i, t) != 0));
      if (s.token(i, t) != 0) places.push_back(t);
    }
    const int n = static_cast<int>(places.size());
    REQUIRE(n == config.n_marked);
    for (int k = 0; k < n; ++k) {
      const int t = inputs + k, place = places[static_cast<std::size_t>(k)];
      REQUIRE((s.asked(i, t) && s.token(i, t) == marker));
      REQUIRE(s.answer(i, t) == s.token(i, place));
      REQUIRE(s.distance[s.at(i, t)] == t - place);
      REQUIRE(s.writes[s.at(i, t)] == n - 1 - k);
      if (config.spacing == "none") REQUIRE(place == k);
    }
  }
}

TEST_CASE("copied tokens are uniform and independent, so that a blind reader scores 1 in their number") {
  const SelectiveCopy task(small(GENERATE("random", "none")), seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  for (int k = 0; k < 3; ++k) {
    std::vector<int> counts(8), with_next(64);
    for (int i = 0; i < n; ++i) {
      const int answer = s.answer(i, 17 + k) - 1, next = s.answer(i, 17 + (k + 1) % 3) - 1;
      ++counts[static_cast<std::size_t>(answer)];
      ++with_next[static_cast<std::size_t>(answer * 8 + next)];
    }
    CHECK(uniform_excess(counts) < 4);
    CHECK(uniform_excess(with_next) < 4);
  }
}

TEST_CASE("every way of scattering the tokens is equally likely") {
  SelectiveCopyConfig config = small();
  config.shape.length = 12;  // 9 places for 3 tokens
  const SelectiveCopy task(config, seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  std::map<std::vector<bool>, int> seen;
  for (int i = 0; i < n; ++i) {
    std::vector<bool> places;
    for (int t = 0; t < 9; ++t) places.push_back(s.token(i, t) != 0);
    ++seen[places];
  }
  std::vector<int> counts;
  for (const auto& [places, count] : seen) counts.push_back(count);
  REQUIRE(counts.size() == 84);
  CHECK(uniform_excess(counts) < 4);
}

TEST_CASE("another spacing or length keeps the tokens to copy") {
  SelectiveCopyConfig config = small();
  const SelectiveCopy base(config, seeds), side_by_side(small("none"), seeds);
  config.shape.length = 200;
  const SelectiveCopy longer(config, seeds);
  const auto answers = [](const SelectiveCopy& task) {
    const TokenSamples s = train_tokens(task, 20);
    std::vector<int> out;
    for (int i = 0; i < 20; ++i) {
      for (int t : s.queries_of(i)) out.push_back(s.answer(i, t));
    }
    return out;
  };
  CHECK(answers(base) == answers(longer));
  CHECK(answers(base) == answers(side_by_side));
}

TEST_CASE("tokens to copy that do not fit are refused, and those that fill the sequence are not") {
  CHECK(refusal<SelectiveCopyConfig>("{length: 15}") ==
        "task.yaml: error: n_marked: n_marked 8 tokens are shown and asked for: length 15 is too short, use at "
        "least 16");
  CHECK(refusal<SelectiveCopyConfig>("spacing: even") ==
        "task.yaml:1:10: error: spacing: must be one of random, none, got 'even'");
  CHECK(refusal<SelectiveCopyConfig>("{length: 16}") == "");
  SelectiveCopyConfig config;
  config.shape.length = 16;
  const SelectiveCopy task(config, seeds);
  const TokenSamples s = train_tokens(task, 10);
  for (int i = 0; i < 10; ++i) {
    for (int t = 0; t < 8; ++t) CHECK(s.token(i, t) == s.answer(i, t + 8));
  }
  config.n_marked = 9;
  CHECK_THROWS_WITH(SelectiveCopy(config, seeds),
                    "n_marked: n_marked 9 tokens are shown and asked for: length 16 is too short, use at least 18");
}

}  // namespace saltus
