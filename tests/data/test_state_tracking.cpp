#include <set>

#include "data/state_tracking.h"
#include "data/token_samples.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

StateTrackingConfig group(const std::string& name, std::int64_t length = 24) {
  return {.group = name, .length = length};
}

/// The permutation of n things that a token stands for, from its number in the factorial number system.
std::vector<int> permutation(int rank, int n) {
  std::vector<int> left, out;
  int block = 1;
  for (int k = 0; k < n; ++k) {
    left.push_back(k);
    if (k > 0) block *= k;
  }
  for (int k = n - 1; k >= 0; --k) {
    const auto at = left.begin() + rank / block;
    out.push_back(*at);
    left.erase(at);
    rank %= block;
    if (k > 0) block /= k;
  }
  return out;
}

}  // namespace

TEST_CASE("state_tracking is a sequence task") {
  check_sequence_task(StateTracking(group(GENERATE("parity", "S3", "S5")), seeds));
}

TEST_CASE("parity asks after every bit for the sum of the bits so far") {
  const StateTracking task(group("parity", 64), seeds);
  CHECK(task.shape().vocab_size == 2);
  const TokenSamples s = train_tokens(task, 100);
  for (int i = 0; i < s.size; ++i) {
    int sum = 0;
    for (int t = 0; t < 64; ++t) {
      sum += s.token(i, t);
      REQUIRE(s.answer(i, t) == sum % 2);
      REQUIRE((s.asked(i, t) && s.distance[s.at(i, t)] == t && s.writes[s.at(i, t)] == t));
    }
  }
}

TEST_CASE("S3 and S5 ask after every permutation where the things are, each one applied to where the last left them") {
  const auto [name, n] = GENERATE(std::pair<std::string, int>{"S3", 3}, std::pair<std::string, int>{"S5", 5});
  const StateTracking task(group(name), seeds);
  CHECK(task.shape().vocab_size == (n == 3 ? 6 : 120));
  const TokenSamples s = train_tokens(task, 100);
  for (int i = 0; i < s.size; ++i) {
    std::vector<int> where = permutation(0, n);
    for (int t = 0; t < s.length; ++t) {
      for (int& place : where) place = permutation(s.token(i, t), n)[static_cast<std::size_t>(place)];
      REQUIRE(permutation(s.answer(i, t), n) == where);
    }
  }
}

TEST_CASE("the table of next states is a group: identity 0, inverses, associative, and S3 does not commute") {
  const StateTracking task(group(GENERATE("parity", "S3")), seeds);
  const auto order = static_cast<std::int32_t>(task.shape().vocab_size);
  bool commutes = true;
  for (std::int32_t a = 0; a < order; ++a) {
    CHECK((task.next(0, a) == a && task.next(a, 0) == a));
    std::set<std::int32_t> reached;
    for (std::int32_t b = 0; b < order; ++b) {
      reached.insert(task.next(a, b));
      commutes = commutes && task.next(a, b) == task.next(b, a);
      for (std::int32_t c = 0; c < order; ++c) CHECK(task.next(task.next(a, b), c) == task.next(a, task.next(b, c)));
    }
    CHECK(static_cast<std::int32_t>(reached.size()) == order);
  }
  CHECK(commutes == (order == 2));
}

TEST_CASE("tokens and states are uniform at every position, and knowing the token leaves a blind reader at chance") {
  const auto [name, order] = GENERATE(std::pair<std::string, int>{"parity", 2}, std::pair<std::string, int>{"S3", 6});
  const StateTracking task(group(name), seeds);
  const int n = 20000;
  const TokenSamples s = train_tokens(task, n);
  for (const int t : {0, 1, 11, 23}) {
    std::vector<int> tokens(static_cast<std::size_t>(order)), states(tokens), joint(tokens.size() * tokens.size());
    for (int i = 0; i < n; ++i) {
      ++tokens[static_cast<std::size_t>(s.token(i, t))];
      ++states[static_cast<std::size_t>(s.answer(i, t))];
      ++joint[static_cast<std::size_t>(s.token(i, t) * order + s.answer(i, t))];
    }
    CAPTURE(name, t);
    CHECK(uniform_excess(tokens) < 4);
    CHECK(uniform_excess(states) < 4);
    if (t > 0) CHECK(uniform_excess(joint) < 4);
  }
}

TEST_CASE("a longer sequence begins with the shorter one") {
  const StateTracking base(group("S5", 16), seeds), longer(group("S5", 100), seeds);
  const TokenSamples a = train_tokens(base, 5), b = train_tokens(longer, 5);
  for (int i = 0; i < 5; ++i) {
    for (int t = 0; t < 16; ++t) CHECK((a.token(i, t) == b.token(i, t) && a.answer(i, t) == b.answer(i, t)));
  }
}

TEST_CASE("a group that is not one of the three is refused") {
  CHECK(refusal<StateTrackingConfig>("group: S4") ==
        "task.yaml:1:8: error: group: must be one of parity, S3, S5, got 'S4' (did you mean 'S3'?)");
  CHECK(refusal<StateTrackingConfig>("length: 1") == "task.yaml:1:9: error: length: must be in [2, 16777216], got 1");
  CHECK_THROWS_WITH(StateTracking(group("S4"), seeds), "group: must be one of parity, S3, S5, got 'S4'");
}

}  // namespace saltus
