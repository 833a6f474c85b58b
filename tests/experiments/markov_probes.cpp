#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <vector>

#include "core/check.h"
#include "data/owned_batch.h"
#include "data/transition_matrices.h"
#include "experiments/markov_chains/predictors.h"
#include "experiments/markov_chains/probes.h"

using namespace saltus;
using namespace saltus::markov_chains;

namespace {

/// A test set of the task, and values for the taps.
struct Planted {
  MarkovChainsConfig task;
  OwnedBatch arrays;
  int size;
  std::map<std::string, std::pair<std::vector<float>, Shape>> taps;

  Planted(const MarkovChainsConfig& config, int n)
      : task(config), arrays(MarkovChains(config, {}).fields(), n), size(n) {
    MarkovChains(config, {}).sample_eval(0, 0, arrays.batch());
    taps["logits"] = {std::vector<float>(static_cast<std::size_t>(n * task.length * task.states)),
                      {n, task.length, task.states}};
  }
  std::span<const std::int32_t> tokens(int i) const {
    return {arrays.batch().i32(MarkovChains::tokens_field) + i * task.length, static_cast<std::size_t>(task.length)};
  }
  const float* chain(int i) const {
    return arrays.batch().f32(MarkovChains::transition_field) + i * task.contexts() * task.states;
  }
  /// Makes the model predict as this predictor does, up to a constant added to its logits.
  void answer_as(std::size_t predictor) {
    Predictors known(task);
    float* out = taps["logits"].first.data();
    for (int i = 0; i < size; ++i) {
      known.read(tokens(i), chain(i));
      for (std::int64_t t = 0; t < task.length; ++t) {
        for (const double p : known.at(predictor, static_cast<std::size_t>(t)))
          *out++ = static_cast<float>(std::log(p) + 3);
      }
    }
  }
  /// A measure, mean over the samples.
  std::vector<double> measured(const Probe& probe, const std::string& name) const {
    std::size_t n = 0;
    for (const Measure& m : probe.measures()) n += static_cast<std::size_t>(m.size());
    std::vector<double> sums(n);
    probe.accumulate(
        arrays.batch(),
        [this](const std::string& tap) -> TapValue {
          const auto& [values, shape] = taps.at(tap);
          return {values.data(), shape};
        },
        sums);
    for (double& s : sums) s /= size;
    auto from = sums.begin();
    for (const Measure& m : probe.measures()) {
      if (m.name == name) return {from, from + m.size()};
      from += m.size();
    }
    throw Error("no measure " + name);
  }
};

/// (times `next` came after the same `context_length` states as the last + alpha) / (times anything did + k alpha).
double counted(std::span<const std::int32_t> tokens, std::size_t last, std::size_t context_length, std::int32_t next,
               double alpha, double k) {
  double hits = 0, all = 0;
  for (std::size_t j = context_length; j <= last && context_length <= last + 1; ++j) {
    bool same = true;
    for (std::size_t back = 0; back < context_length; ++back)
      same = same && tokens[j - 1 - back] == tokens[last - back];
    all += same;
    hits += same && tokens[j] == next;
  }
  return (hits + alpha) / (all + k * alpha);
}

}  // namespace

TEST_CASE("markov_chains: predictors are what counting over the whole prefix gives") {
  const std::int64_t order = GENERATE(1, 2);
  const Planted p({.states = 3, .order = order, .length = 30, .concentration = 0.7}, 5);
  Predictors known(p.task);
  const std::vector<std::string> labels = Predictors::labels(p.task);
  CHECK(labels == (order == 1 ? std::vector<std::string>{"uniform", "unigram", "bigram", "chain"}
                              : std::vector<std::string>{"uniform", "unigram", "bigram", "trigram", "chain"}));
  REQUIRE(known.count() == labels.size());
  for (int i = 0; i < p.size; ++i) {
    known.read(p.tokens(i), p.chain(i));
    for (std::size_t t = 0; t < 30; ++t) {
      for (std::int32_t s = 0; s < 3; ++s) {
        const auto at = static_cast<std::size_t>(s);
        REQUIRE(known.at(0, t)[at] == Approx(1 / 3.0));
        for (std::size_t n = 0; n <= static_cast<std::size_t>(order); ++n) {
          REQUIRE(known.at(1 + n, t)[at] == Approx(counted(p.tokens(i), t, n, s, 0.7, 3)).epsilon(1e-14));
        }
        if (t + 1 < static_cast<std::size_t>(order)) {
          REQUIRE(known.at(labels.size() - 1, t)[at] == Approx(1 / 3.0));
        } else {
          const auto context = static_cast<std::size_t>(p.tokens(i)[t] + (order == 2 ? 3 * p.tokens(i)[t - 1] : 0));
          REQUIRE(known.at(labels.size() - 1, t)[at] == p.chain(i)[context * 3 + at]);
        }
      }
    }
  }
}

TEST_CASE("markov_chains: the KL to a predictor is 0 for a model that predicts as it does, and for no other") {
  const std::int64_t order = GENERATE(1, 2);
  Planted p({.states = 3, .order = order, .length = 30}, 8);
  const std::size_t n = Predictors::labels(p.task).size();
  const PredictionProbe probe(p.task);
  const ReferenceProbe references(p.task);
  const std::vector<double> risk = p.measured(references, "risk"), last = p.measured(references, "risk_last"),
                            by_position = p.measured(references, "risk_by_position"),
                            hits = p.measured(references, "hits");
  for (std::size_t predictor = 0; predictor < n; ++predictor) {
    p.answer_as(predictor);
    const std::vector<double> kl = p.measured(probe, "kl"), kl_last = p.measured(probe, "kl_last");
    for (std::size_t other = 0; other < n; ++other) {
      if (other == predictor) {
        CHECK(std::abs(kl[other]) < 1e-6);
        CHECK(std::abs(kl_last[other]) < 1e-6);
      } else {
        CHECK(kl[other] > 0.01);
      }
    }
    CHECK(p.measured(probe, "loss")[0] == Approx(risk[predictor]).epsilon(1e-5));
    if (predictor + 1 == n) CHECK(p.measured(probe, "accuracy")[0] == Approx(hits[predictor]).epsilon(1e-12));
    double mean = 0;
    for (std::size_t t = 0; t < 30; ++t) mean += by_position[predictor * 30 + t] / 30;
    CHECK(mean == Approx(risk[predictor]).epsilon(1e-12));
    CHECK(by_position[predictor * 30 + 29] == Approx(last[predictor]).epsilon(1e-12));
  }
}

TEST_CASE("markov_chains: a divergence written out") {
  const double p[] = {0.5, 0.5, 0}, q[] = {std::log(0.25), std::log(0.25), std::log(0.5)};
  CHECK(divergence(p, q) == Approx(std::log(2)));
}

TEST_CASE("markov_chains: under the prior no counting predictor loses less than that of the chain's order") {
  const Planted p({.states = 3, .length = 60, .concentration = 0.5}, 400);
  const std::vector<double> risk = p.measured(ReferenceProbe(p.task), "risk");
  CHECK(risk[3] < risk[2]);  // chain, bigram
  CHECK(risk[2] < risk[1]);
  CHECK(risk[1] < risk[0]);
  CHECK(risk[0] == Approx(std::log(3)));
}

TEST_CASE(
    "markov_chains: counts are right of a uniform start, and of a stationary one all but what the first state says") {
  const double k = 3;
  for (const char* start : {"uniform", "stationary"}) {
    const Planted p({.states = 3, .length = 2, .start = start}, 60000);
    double stay = 0, stay_twice = 0, entropy = 0;
    for (int i = 0; i < p.size; ++i) {
      const std::span<const std::int32_t> x = p.tokens(i);
      stay += x[0] == x[1];
      stay_twice += x[0] == x[1] && x[1] == p.arrays.batch().i32(MarkovChains::target_field)[2 * i + 1];
      std::vector<double> P(p.chain(i), p.chain(i) + 9), pi(3);
      stationary_distribution(P, pi);
      for (const double s : pi) entropy -= s * std::log(s) / p.size;
    }
    const double once = stay / p.size, again = stay_twice / stay;
    // Counts say 1/3, and 2/4 after one stay. What the best guess of the first gains on that:
    const double gain = std::log(k) + once * std::log(once) + (1 - once) * std::log((1 - once) / 2);
    const bool exact = std::string(start) == "uniform";
    CHECK((once == Approx(1 / k).margin(0.006)) == exact);
    CHECK((again == Approx(0.5).margin(0.01)) == exact);
    CHECK(gain == Approx(exact ? 0 : 0.0104).margin(0.0015));
    CHECK(std::log(k) - entropy == Approx(0.1195).margin(0.002));  // what all positions together can gain
  }
}

TEST_CASE("markov_chains: attention to the token before and to those after an equal one, as planted") {
  const std::int64_t order = GENERATE(1, 2);
  Planted p({.states = 2, .order = order, .length = 8}, 1);
  std::int32_t* tokens = p.arrays.batch().i32(MarkovChains::tokens_field);
  const std::int32_t planted[] = {0, 1, 1, 0, 1, 0, 0, 1};
  std::copy_n(planted, 8, tokens);
  CHECK(measures::followers(p.tokens(0), 1) == std::vector<std::int64_t>{2, 3, 5});
  CHECK(measures::followers(p.tokens(0), 2) == std::vector<std::int64_t>{2, 5});

  for (const char* layer : {"blocks.0.attn.pattern", "blocks.1.attn.pattern"}) {
    p.taps[layer] = {std::vector<float>(64), {1, 1, 8, 8}};
  }
  std::vector<float>&first = p.taps["blocks.0.attn.pattern"].first, &second = p.taps["blocks.1.attn.pattern"].first;
  for (std::size_t i = 1; i < 8; ++i) first[i * 8 + i - 1] = 0.75F;
  for (std::size_t i = 2; i < 8; ++i) first[i * 8 + i - 2] = 0.25F;
  for (const std::size_t j : {2, 3, 5, 6}) second[7 * 8 + j] = 0.25F;
  const AttentionProbe probe(p.task, {.n_layers = 2, .n_heads = 1});
  CHECK(p.measured(probe, "prev_token")[0] == Approx(0.75));
  CHECK(p.measured(probe, "prev_token")[1] == Approx(0.25 / 7));  // the last to the token before it
  CHECK(p.measured(probe, "induction")[1] == Approx(0.75));
  CHECK(p.measured(probe, "induction_chance")[0] == Approx(3 / 8.0));
  if (order == 2) {
    CHECK(p.measured(probe, "two_back")[0] == Approx(0.25));
    CHECK(p.measured(probe, "induction_pair")[1] == Approx(0.5));
  } else {
    CHECK_THROWS(p.measured(probe, "two_back"));
  }
}

TEST_CASE("markov_chains: the minimal model's weights") {
  Planted p({.states = 2, .length = 4}, 3);
  p.taps["minimal.v"] = {{0.1F, 0.9F, -0.3F, 0.2F}, {4}};
  p.taps["minimal.W"] = {{1, 0.25F, 0.75F, 2}, {2, 2}};
  const MinimalProbe probe(p.task);
  CHECK(p.measured(probe, "v_previous")[0] == Approx(0.9));
  CHECK(p.measured(probe, "v_rest")[0] == Approx(0.2));
  CHECK(p.measured(probe, "W_diagonal")[0] == Approx(1.5));
  CHECK(p.measured(probe, "W_off_diagonal")[0] == Approx(0.5));
  CHECK(p.measured(probe, "loss_by_position") == std::vector<double>(4, std::log(2.0)));  // logits of 0
}
