#include <catch2/catch.hpp>
#include <cmath>
#include <vector>

#include "config/reader.h"
#include "data/markov_chains.h"
#include "data/owned_batch.h"
#include "data/transition_matrices.h"

namespace saltus {
namespace {

const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};

/// Samples of a task, and how the tests look at them.
struct Chains {
  const MarkovChainsConfig config;
  int size;
  OwnedBatch arrays;

  Chains(const MarkovChains& task, int n) : config(task.config()), size(n), arrays(task.fields(), n) {}
  std::int32_t token(int i, std::int64_t t) const {
    return arrays.batch().i32(MarkovChains::tokens_field)[i * config.length + t];
  }
  std::int32_t target(int i, std::int64_t t) const {
    return arrays.batch().i32(MarkovChains::target_field)[i * config.length + t];
  }
  float chance(int i, std::int64_t context, std::int64_t next) const {
    return arrays.batch().f32(MarkovChains::transition_field)[(i * config.contexts() + context) * config.states + next];
  }
  bool operator==(const Chains& other) const {
    for (int i = 0; i < size; ++i) {
      for (std::int64_t t = 0; t < config.length; ++t) {
        if (token(i, t) != other.token(i, t) || target(i, t) != other.target(i, t)) return false;
      }
      if (chance(i, 0, 0) != other.chance(i, 0, 0)) return false;
    }
    return true;
  }
};

Chains trained(const MarkovChains& task, int n, std::int64_t step = 0, int first = 0) {
  Chains c(task, n);
  task.sample_train(step, first, c.arrays.batch());
  return c;
}

Chains tested(const MarkovChains& task, const std::string& set, int n) {
  Chains c(task, n);
  const std::vector<std::string> sets = task.eval_sets();
  task.sample_eval(static_cast<int>(std::find(sets.begin(), sets.end(), set) - sets.begin()), 0, c.arrays.batch());
  return c;
}

/// The first line of what a config is refused with.
std::string refusal(const std::string& yaml) {
  MarkovChainsConfig config;
  try {
    read_config_text("task.yaml", yaml, {}, [&](Fields& f) { config.fields(f); });
  } catch (const std::exception& e) {
    const std::string all = e.what();
    return all.substr(0, all.find('\n'));
  }
  return "accepted";
}

/// Fractions of states at position t.
std::vector<double> frequencies(const Chains& c, std::int64_t t) {
  std::vector<double> out(static_cast<std::size_t>(c.config.states));
  for (int i = 0; i < c.size; ++i) out[static_cast<std::size_t>(c.token(i, t))] += 1.0 / c.size;
  return out;
}

}  // namespace

TEST_CASE("markov_chains asks for the next state, and its chains are distributions") {
  const std::int64_t order = GENERATE(1, 2);
  const MarkovChains task({.states = 4, .order = order, .length = 30}, seeds);
  CHECK(task.fields()[2].shape == Shape{order == 1 ? 4 : 16, 4});
  const Chains c = trained(task, 50);
  for (int i = 0; i < c.size; ++i) {
    for (std::int64_t t = 0; t < 30; ++t) {
      REQUIRE((c.target(i, t) >= 0 && c.target(i, t) < 4));
      if (t > 0) REQUIRE(c.token(i, t) == c.target(i, t - 1));
    }
    for (std::int64_t context = 0; context < c.config.contexts(); ++context) {
      double sum = 0;
      for (std::int64_t s = 0; s < 4; ++s) sum += c.chance(i, context, s);
      REQUIRE(sum == Approx(1).epsilon(1e-6));
    }
  }
}

TEST_CASE("states follow each other as the sequence's own chain says") {
  const std::int64_t order = GENERATE(1, 2);
  const MarkovChains task({.states = 3, .order = order, .length = 20000}, seeds);
  const Chains c = trained(task, 2);
  std::vector<double> seen(27), contexts(9);
  for (std::int64_t t = order - 1; t < c.config.length; ++t) {
    const auto context = static_cast<std::size_t>(order == 1 ? c.token(1, t) : 3 * c.token(1, t - 1) + c.token(1, t));
    ++contexts[context];
    ++seen[3 * context + static_cast<std::size_t>(c.target(1, t))];
  }
  for (std::size_t context = 0; context < static_cast<std::size_t>(c.config.contexts()); ++context) {
    REQUIRE(contexts[context] > 100);
    for (std::size_t s = 0; s < 3; ++s) {
      const double p = c.chance(1, static_cast<std::int64_t>(context), static_cast<std::int64_t>(s));
      CHECK(seen[3 * context + s] / contexts[context] ==
            Approx(p).margin(4 * std::sqrt(p * (1 - p) / contexts[context])));
    }
  }
}

TEST_CASE(
    "a stationary start agrees with the end of the sequence as often as its middle does, a uniform one less often") {
  // Of one chain: with concentration 1000 all chains are nearly uniform, so a small one is used and the states sorted
  // by how often they come later.
  const std::string start = GENERATE("stationary", "uniform");
  const std::int64_t order = GENERATE(1, 2);
  const MarkovChains task({.states = 2, .order = order, .length = 60, .concentration = 0.3, .start = start}, seeds);
  const Chains c = trained(task, 4000);
  int same_first = 0, same_later = 0;  // with the sequence's last state
  for (int i = 0; i < c.size; ++i) {
    same_first += c.token(i, 0) == c.token(i, 59);
    same_later += c.token(i, 29) == c.token(i, 59);
  }
  CAPTURE(start, order);
  const double difference = std::abs(same_first - same_later) / 4000.0;
  if (start == "stationary") CHECK(difference < 4 * std::sqrt(0.5 / 4000));
  if (start == "uniform") CHECK(difference > 0.05);
}

TEST_CASE("doubly stochastic chains visit all states equally often within a sequence") {
  const MarkovChains task({.states = 3, .length = 20000, .rows = "doubly_stochastic"}, seeds);
  const Chains c = trained(task, 3);
  for (int i = 0; i < 3; ++i) {
    int visits[3] = {};
    for (std::int64_t t = 0; t < c.config.length; ++t) ++visits[c.token(i, t)];
    for (std::int64_t s = 0; s < 3; ++s) {
      CHECK(visits[s] / 20000.0 == Approx(1 / 3.0).margin(0.03));
      CHECK(c.chance(i, 0, s) + c.chance(i, 1, s) + c.chance(i, 2, s) == Approx(1).epsilon(1e-6));
    }
  }
  CHECK(task.eval_sets() == std::vector<std::string>{"iid", "shifted"});
}

TEST_CASE("where the unigram misleads, the most frequent state is in no row the likeliest, and can be any state") {
  const std::int64_t k = GENERATE(3, 10);
  const double concentration = GENERATE(0.1, 1.0, 10.0);
  const MarkovChains task({.states = k, .length = 2, .concentration = concentration}, seeds);
  const Chains c = tested(task, "unigram_misleads", 60);
  std::vector<int> frequent_states(static_cast<std::size_t>(k));
  for (int i = 0; i < c.size; ++i) {
    std::vector<double> P, pi(static_cast<std::size_t>(k));
    for (std::int64_t row = 0; row < k; ++row) {
      for (std::int64_t s = 0; s < k; ++s) P.push_back(c.chance(i, row, s));
    }
    const std::vector<double> rows = P;
    stationary_distribution(P, pi);
    const auto frequent = std::max_element(pi.begin(), pi.end()) - pi.begin();
    ++frequent_states[static_cast<std::size_t>(frequent)];
    for (std::int64_t row = 0; row < k; ++row) {
      const auto begin = rows.begin() + row * k;
      REQUIRE(std::max_element(begin, begin + k) - begin != frequent);
    }
  }
  CHECK(*std::max_element(frequent_states.begin(), frequent_states.end()) < (k == 3 ? 40 : 20));
}

TEST_CASE("the shifted test set has rows of its own concentration, and can be left out") {
  const MarkovChains task({.states = 3, .length = 4, .shifted_concentration = 0.2}, seeds);
  const auto square = [](const Chains& c) {
    double sum = 0;
    for (int i = 0; i < c.size; ++i) sum += std::pow(double{c.chance(i, 0, 0)}, 2) / c.size;
    return sum - 1 / 9.0;  // the variance: (k - 1) / (k^2 (k a + 1))
  };
  CHECK(square(tested(task, "iid", 20000)) == Approx(2 / 36.0).epsilon(0.05));
  CHECK(square(tested(task, "shifted", 20000)) == Approx(2 / 14.4).epsilon(0.05));
  CHECK(MarkovChains({.states = 2, .shifted_concentration = {}}, seeds).eval_sets() == std::vector<std::string>{"iid"});
}

TEST_CASE("a part of a batch of chains is that part of the whole, and steps and seeds differ") {
  const MarkovChains task({.states = 3, .length = 12, .concentration = 0.5}, seeds);
  const Chains whole = trained(task, 20, 5), part = trained(task, 6, 5, 9);
  for (int i = 0; i < 6; ++i) {
    for (std::int64_t t = 0; t < 12; ++t) REQUIRE(part.token(i, t) == whole.token(i + 9, t));
    for (std::int64_t s = 0; s < 9; ++s) REQUIRE(part.chance(i, s / 3, s % 3) == whole.chance(i + 9, s / 3, s % 3));
  }
  CHECK(trained(task, 20, 5) == whole);
  CHECK_FALSE(trained(task, 20, 6) == whole);
  CHECK_FALSE(tested(task, "iid", 20) == trained(task, 20, 0));
  CHECK_FALSE(trained(MarkovChains(task.config(), {.data = 7}), 20, 5) == whole);
  CHECK_THROWS_WITH(trained(task, 1, std::int64_t{1} << 32),
                    "step 4294967296 is outside 0..2^32-1, which the random numbers are keyed by");
}

TEST_CASE("a longer sequence of a chain begins with the shorter one") {
  const std::int64_t order = GENERATE(1, 2);
  const MarkovChains shorter({.states = 3, .order = order, .length = 10}, seeds),
      longer({.states = 3, .order = order, .length = 50}, seeds);
  const Chains a = trained(shorter, 5), b = trained(longer, 5);
  for (int i = 0; i < 5; ++i) {
    for (std::int64_t t = 0; t < 10; ++t) CHECK((a.token(i, t) == b.token(i, t) && a.target(i, t) == b.target(i, t)));
  }
}

TEST_CASE("over all chains no state is preferred, at the beginning or later") {
  const MarkovChains task({.states = 4, .length = 10}, seeds);
  const Chains c = trained(task, 20000);
  for (const std::int64_t t : {0, 9}) {
    for (const double f : frequencies(c, t)) CHECK(f == Approx(0.25).margin(4 * std::sqrt(0.25 * 0.75 / 20000)));
  }
}

TEST_CASE("chains that cannot be made are refused") {
  CHECK(refusal("states: 1") == "task.yaml:1:9: error: states: must be in [2, 64], got 1");
  CHECK(refusal("order: 3") == "task.yaml:1:8: error: order: must be in [1, 2], got 3");
  CHECK(refusal("concentration: 0") == "task.yaml:1:16: error: concentration: must be in [0.01, 1000], got 0");
  CHECK(refusal("{states: 17, order: 2}") ==
        "task.yaml:1:10: error: states: 17 states of order 2 make 289 contexts: at most 256 are allowed, so 16 states");
  CHECK(
      refusal("{order: 2, rows: doubly_stochastic}") ==
      "task.yaml:1:18: error: rows: doubly_stochastic makes a square matrix, a chain of order 1: set order 1, or rows "
      "dirichlet");
  CHECK(refusal("rows: sinkhorn") ==
        "task.yaml:1:7: error: rows: must be one of dirichlet, doubly_stochastic, got 'sinkhorn'");
}

}  // namespace saltus
