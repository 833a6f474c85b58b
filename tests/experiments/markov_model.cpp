#include "experiments/markov_model.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <numbers>

#include "config/reader.h"
#include "experiments/markov_chains/predictors.h"

using namespace saltus;
using namespace saltus::tests;
using markov_chains::ModelConfig;

namespace {

using Rows = std::vector<std::vector<double>>;  // [position][...]

/// The parameter's entry at [i][j]... of an array whose last axis has `columns`.
double entry(RecordedMarkov& r, const std::string& name, std::size_t row, std::size_t column, std::size_t columns) {
  return r.param(name)[row * columns + column];
}

/// Softmax over the first `n` of `scores`.
std::vector<double> softmax(const std::vector<double>& scores, std::size_t n) {
  std::vector<double> p(n);
  double sum = 0;
  for (std::size_t j = 0; j < n; ++j) sum += p[j] = std::exp(scores[j]);
  for (double& x : p) x /= sum;
  return p;
}

/// The attention layers as model.h writes them, token by token: logits of sequence b, [position][state]. The last
/// layer's patterns go to `patterns` [head][query][key].
Rows written_out(RecordedMarkov& r, std::size_t b, std::vector<Rows>& patterns) {
  const auto T = static_cast<std::size_t>(r.task.length), k = static_cast<std::size_t>(r.task.states);
  const auto d = static_cast<std::size_t>(r.model.d_model), heads = static_cast<std::size_t>(r.model.n_heads),
             dh = d / heads;
  const std::string& positions = r.model.positions;
  const std::size_t width = d + (positions == "one_hot" ? T : 0);
  Rows x(T, std::vector<double>(width));
  for (std::size_t t = 0; t < T; ++t) {
    const auto token = static_cast<std::size_t>(r.tokens()[b * T + t]);
    for (std::size_t c = 0; c < d; ++c) {
      x[t][c] = entry(r, "embed.W_E", token, c, d) + (positions == "learned" ? entry(r, "embed.W_pos", t, c, d) : 0);
    }
    if (positions == "one_hot") x[t][d + t] = 1;
  }
  for (std::int64_t l = 0; l < r.model.n_layers; ++l) {
    const std::string block = "blocks." + std::to_string(l) + ".attn.";
    Rows next = x;
    patterns.assign(heads, Rows(T));
    for (std::size_t h = 0; h < heads; ++h) {
      const auto project = [&](const char* name, std::size_t t, std::size_t c) {
        double sum = 0;
        for (std::size_t i = 0; i < width; ++i) sum += x[t][i] * entry(r, block + name, h * width + i, c, dh);
        return sum;
      };
      for (std::size_t i = 0; i < T; ++i) {
        std::vector<double> scores(i + 1);
        for (std::size_t j = 0; j <= i; ++j) {
          for (std::size_t c = 0; c < dh; ++c) {
            double key = project("W_K", j, c);
            if (positions == "relative") key += entry(r, block + "R", h * T + i - j, c, dh);
            scores[j] += project("W_Q", i, c) * key;
          }
          if (positions == "relative_bias") scores[j] += entry(r, block + "r", h, i - j, T);
          scores[j] /= std::sqrt(static_cast<double>(dh));
        }
        patterns[h][i] = softmax(scores, i + 1);
        for (std::size_t c = 0; c < dh; ++c) {
          double z = 0;
          for (std::size_t j = 0; j <= i; ++j) z += patterns[h][i][j] * project("W_V", j, c);
          for (std::size_t o = 0; o < width; ++o) next[i][o] += z * entry(r, block + "W_O", h * dh + c, o, width);
        }
      }
    }
    x = next;
  }
  Rows logits(T, std::vector<double>(k));
  for (std::size_t t = 0; t < T; ++t) {
    for (std::size_t s = 0; s < k; ++s) {
      for (std::size_t c = 0; c < width; ++c) logits[t][s] += x[t][c] * entry(r, "unembed.W_U", c, s, k);
    }
  }
  return logits;
}

/// The minimal models likewise.
Rows minimal_written_out(RecordedMarkov& r, std::size_t b) {
  const auto T = static_cast<std::size_t>(r.task.length), k = static_cast<std::size_t>(r.task.states);
  const bool with_softmax = r.model.kind == "minimal_softmax";
  const std::int32_t* x = r.tokens().data() + b * T;
  Rows before(T, std::vector<double>(k)), logits = before;
  for (std::size_t j = 0; j < T; ++j) {
    std::vector<double> weights(j + 1);
    for (std::size_t m = 0; m <= j; ++m) weights[m] = r.param("minimal.v")[j - m];
    if (with_softmax) weights = softmax(weights, j + 1);
    for (std::size_t m = 0; m <= j; ++m) before[j][static_cast<std::size_t>(x[m])] += weights[m];
  }
  for (std::size_t i = 0; i < T; ++i) {
    std::vector<double> scores(i + 1);
    for (std::size_t j = 0; j <= i; ++j) {
      for (std::size_t s = 0; s < k; ++s)
        scores[j] += entry(r, "minimal.W", static_cast<std::size_t>(x[i]), s, k) * before[j][s];
    }
    if (with_softmax) scores = softmax(scores, i + 1);
    for (std::size_t j = 0; j <= i; ++j) {
      logits[i][static_cast<std::size_t>(x[j])] += scores[j] * (with_softmax ? r.param("minimal.g")[0] : 1);
    }
  }
  return logits;
}

/// A large weight: its softmax leaves nothing to others.
constexpr double strong = 40;

/// One layer that attends to the token before, one that attends to what came after a token that equals the last, and an
/// unembedding that multiplies the frequencies it finds by `gain`. d_model 3 k: token | token before | found.
void plant_induction(RecordedMarkov& r, double gain) {
  const auto k = static_cast<std::size_t>(r.task.states), d = 3 * k;
  REQUIRE((r.model.n_heads == 1 && static_cast<std::size_t>(r.model.d_model) == d));
  for (auto& [name, values] : r.leaves.values) std::fill(values.begin(), values.end(), 0.0);
  const auto scale = std::sqrt(static_cast<double>(d));
  r.param("blocks.0.attn.r")[1] = strong * scale;
  for (std::size_t s = 0; s < k; ++s) {
    r.param("embed.W_E")[s * d + s] = 1;
    r.param("blocks.0.attn.W_V")[s * d + s] = 1;      // the token ...
    r.param("blocks.0.attn.W_O")[s * d + k + s] = 1;  // ... becomes the token before
    r.param("blocks.1.attn.W_Q")[s * d + s] = strong * scale;
    r.param("blocks.1.attn.W_K")[(k + s) * d + s] = 1;  // the token equals a key's token before
    r.param("blocks.1.attn.W_V")[s * d + s] = 1;
    r.param("blocks.1.attn.W_O")[s * d + 2 * k + s] = 1;
    r.param("unembed.W_U")[(2 * k + s) * k + s] = gain;
  }
}

}  // namespace

TEST_CASE("markov_chains: logits are those of the written-out layers, for every way positions enter") {
  for (const ModelConfig& model : all_markov_models()) {
    RecordedMarkov r({.states = 3, .length = 7}, model, 2);
    INFO(model.kind << " " << model.positions);
    const std::vector<double> logits = r.tapped("logits");
    const std::vector<float> fast = r.planned("logits");
    double loss = 0;
    for (std::size_t b = 0; b < 2; ++b) {
      std::vector<Rows> patterns;
      const Rows expected = model.is_minimal() ? minimal_written_out(r, b) : written_out(r, b, patterns);
      for (std::size_t t = 0; t < 7; ++t) {
        for (std::size_t s = 0; s < 3; ++s) {
          REQUIRE(logits[(b * 7 + t) * 3 + s] == Approx(expected[t][s]).epsilon(1e-11).margin(1e-11));
          REQUIRE(fast[(b * 7 + t) * 3 + s] == Approx(expected[t][s]).epsilon(1e-4).margin(1e-4));
        }
        loss -= std::log(softmax(expected[t], 3)[static_cast<std::size_t>(r.leaves.indices["target"][b * 7 + t])]) / 14;
      }
      if (model.is_minimal()) continue;
      const std::vector<double> pattern = r.tapped("blocks.1.attn.pattern");
      for (std::size_t h = 0; h < 2; ++h) {
        for (std::size_t i = 0; i < 7; ++i) {
          for (std::size_t j = 0; j < 7; ++j) {
            REQUIRE(pattern[((h * 2 + b) * 7 + i) * 7 + j] == Approx(j <= i ? patterns[h][i][j] : 0).margin(1e-11));
          }
        }
      }
    }
    CHECK(value(r.graph, r.loss, r.leaves)[0] == Approx(loss).epsilon(1e-11));
  }
}

TEST_CASE("markov_chains: no token changes what is predicted before it") {
  for (const ModelConfig& model : all_markov_models()) {
    RecordedMarkov r({.states = 3, .length = 9}, model, 1);
    INFO(model.kind << " " << model.positions);
    const std::vector<double> before = r.tapped("logits");
    for (std::size_t t = 0; t < 9; ++t) {
      std::int32_t& token = r.tokens()[t];
      const std::int32_t old = token;
      token = (token + 1) % 3;
      const std::vector<double> after = r.tapped("logits");
      token = old;
      const auto at = static_cast<std::ptrdiff_t>(3 * t);
      REQUIRE(std::equal(before.begin(), before.begin() + at, after.begin()));
      REQUIRE_FALSE(std::equal(before.begin() + at, before.end(), after.begin() + at));
    }
  }
}

TEST_CASE("markov_chains: gradients of every model agree with finite differences") {
  for (const ModelConfig& model : all_markov_models()) {
    RecordedMarkov r({.states = 3, .length = 5}, model, 2);
    std::vector<Var> parameters;
    for (const ParamSpec& s : r.params.specs()) parameters.push_back(r.graph.param(s.name, s.shape));
    INFO(model.kind << " " << model.positions);
    check_gradients(r.graph, r.loss, parameters, r.leaves);
  }
}

TEST_CASE("markov_chains: parameters, and what they start from") {
  const auto counted = [](const ModelConfig& m) {
    return RecordedMarkov({.states = 3, .length = 100}, m, 1).params.count();
  };
  CHECK(counted({}) == 2 * 3 * 16 + 2 * (4 * 16 * 16 + 100 * 16));
  CHECK(counted({.positions = "relative_bias"}) == 2 * 3 * 16 + 2 * (4 * 16 * 16 + 100));
  CHECK(counted({.positions = "learned"}) == 2 * 3 * 16 + 100 * 16 + 2 * 4 * 16 * 16);
  CHECK(counted({.kind = "minimal"}) == 100 + 9);
  CHECK(counted({.kind = "minimal_softmax"}) == 100 + 9 + 1);
  RecordedMarkov linear({.states = 3, .length = 4}, {.kind = "minimal", .v_init = 0.5}, 1);
  CHECK(linear.params.view("minimal.v")[3] == 0.5F);
  RecordedMarkov softmax_model({.states = 3, .length = 4}, {.kind = "minimal_softmax"}, 1);
  CHECK(softmax_model.params.view("minimal.v")[3] == 0);
  CHECK(softmax_model.params.view("minimal.g")[0] == Approx(std::numbers::e));
}

TEST_CASE("markov_chains: axes of one name have one length, as the run file asks") {
  for (const ModelConfig& model : all_markov_models()) {
    std::map<std::string, std::int64_t> lengths;
    RecordedMarkov r({.states = 3, .length = 7}, model, 1);
    for (const ParamSpec& s : r.params.specs()) {
      for (std::size_t i = 0; i < s.dims.size(); ++i) {
        const std::int64_t n = s.shape[static_cast<int>(i)];
        INFO(model.positions << " " << s.name << " " << s.dims[i]);
        CHECK(lengths.emplace(s.dims[i], n).first->second == n);
      }
    }
  }
}

TEST_CASE("markov_chains: a planted induction head gives the frequencies of what followed the last state") {
  const std::int64_t T = 40, k = 3;
  RecordedMarkov r({.states = k, .length = T}, {.n_layers = 2, .d_model = 3 * k, .positions = "relative_bias"}, 1);
  plant_induction(r, 1);
  const std::vector<double> logits = r.tapped("logits");
  const std::vector<std::int32_t>& x = r.tokens();
  for (std::int64_t i = 10; i < T; ++i) {
    std::vector<double> followed(static_cast<std::size_t>(k));
    double total = 0;
    for (std::int64_t j = 1; j <= i; ++j) {
      if (x[static_cast<std::size_t>(j - 1)] != x[static_cast<std::size_t>(i)]) continue;
      followed[static_cast<std::size_t>(x[static_cast<std::size_t>(j)])] += 1;
      total += 1;
    }
    // The first token has no token before it and sees itself there, so it may count as one that follows itself.
    if (x[0] == x[static_cast<std::size_t>(i)]) {
      followed[static_cast<std::size_t>(x[0])] += 1;
      total += 1;
    }
    for (std::int64_t s = 0; s < k; ++s) {
      CHECK(logits[static_cast<std::size_t>(i * k + s)] ==
            Approx(followed[static_cast<std::size_t>(s)] / total).margin(1e-9));
    }
  }
}

TEST_CASE(
    "markov_chains: where one state leaves no doubt of the next, a planted induction head predicts as bigrams do") {
  const std::int64_t T = 60, k = 3;
  const MarkovChainsConfig task{.states = k, .length = T, .concentration = 0.01};
  RecordedMarkov r(task, {.n_layers = 2, .d_model = 3 * k, .positions = "relative_bias"}, 1);
  plant_induction(r, 8);
  for (std::int64_t t = 0; t < T; ++t) r.tokens()[static_cast<std::size_t>(t)] = static_cast<std::int32_t>((t + 1) % k);
  const std::vector<double> logits = r.tapped("logits");
  markov_chains::Predictors known(task);
  const std::vector<float> chain(9, 1 / 3.0F);
  known.read(r.tokens(), chain.data());
  std::vector<double> log_q = softmax({logits.end() - k, logits.end()}, k);
  for (double& q : log_q) q = std::log(q);
  const auto last = static_cast<std::size_t>(T - 1);
  CHECK(markov_chains::divergence(known.at(2, last), log_q) < 0.005);  // bigram
  CHECK(markov_chains::divergence(known.at(1, last), log_q) > 2);      // unigram
}

TEST_CASE("markov_chains: a minimal model with v at the token before and W the identity counts what followed") {
  const std::int64_t T = 12, k = 3;
  RecordedMarkov r({.states = k, .length = T}, {.kind = "minimal"}, 1);
  std::fill(r.param("minimal.v").begin(), r.param("minimal.v").end(), 0.0);
  std::fill(r.param("minimal.W").begin(), r.param("minimal.W").end(), 0.0);
  r.param("minimal.v")[1] = 1;
  for (std::size_t s = 0; s < 3; ++s) r.param("minimal.W")[4 * s] = 1;
  r.tokens() = {0, 1, 0, 1, 0, 2, 2, 0, 1, 1, 0, 0};
  const std::vector<double> logits = r.tapped("logits");
  const std::vector<double> last(logits.end() - 3, logits.end()), third(logits.begin() + 6, logits.begin() + 9);
  CHECK(last == std::vector<double>{1, 3, 1});  // after 0 came 1, 1, 2, 1, 0
  CHECK(third == std::vector<double>{0, 1, 0});
}

TEST_CASE("markov_chains: models that cannot be made are refused") {
  const auto refusal = [](const std::string& yaml) -> std::string {
    ModelConfig config;
    try {
      read_config_text("model.yaml", yaml, {}, [&](Fields& f) { config.fields(f); });
    } catch (const std::exception& e) {
      const std::string all = e.what();
      return all.substr(0, all.find('\n'));
    }
    return "accepted";
  };
  CHECK(refusal("n_heads: 3") == "model.yaml:1:10: error: n_heads: n_heads (3) must divide d_model (16)");
  CHECK(refusal("{kind: minimal, n_heads: 3}") == "accepted");  // which has no heads
  CHECK(refusal("positions: rotary") ==
        "model.yaml:1:12: error: positions: must be one of relative, relative_bias, learned, one_hot, got 'rotary'");
  CHECK(refusal("kind: linear") ==
        "model.yaml:1:7: error: kind: must be one of attention, minimal, minimal_softmax, got 'linear'");
}
