#include "experiments/markov_chains/probes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace saltus::markov_chains {
namespace {

/// ln softmax of `n` logits, into `out`.
void log_softmax(const float* logits, std::span<double> out) {
  const double largest = *std::max_element(logits, logits + out.size());
  double sum = 0;
  for (std::size_t s = 0; s < out.size(); ++s) sum += std::exp(out[s] = logits[s] - largest);
  for (double& x : out) x -= std::log(sum);
}

/// Adds the batch's losses to sums [position].
void add_loss_by_position(const Batch& batch, TapValue logits, std::span<double> sums) {
  const std::int32_t* target = batch.i32(MarkovChains::target_field);
  std::vector<double> log_q(static_cast<std::size_t>(logits.shape[-1]));
  for (int b = 0; b < batch.size(); ++b) {
    for (std::size_t t = 0; t < sums.size(); ++t) {
      const std::size_t at = static_cast<std::size_t>(b) * sums.size() + t;
      log_softmax(logits.data + at * log_q.size(), log_q);
      sums[t] -= log_q[static_cast<std::size_t>(target[at])];
    }
  }
}

Dim predictor_axis(const MarkovChainsConfig& task) {
  return {
      .name = "predictor", .labels = Predictors::labels(task), .long_name = "a known way to predict the next state"};
}

Measure loss_by_position(const MarkovChainsConfig& task) {
  return {"loss_by_position",
          "-log of the next state's probability after each state",
          {{.name = "position", .size = task.length}}};
}

/// The arrays of one sample.
struct Sample {
  std::span<const std::int32_t> tokens, target;
  const float* transition;

  Sample(const MarkovChainsConfig& task, const Batch& batch, int b)
      : tokens(batch.i32(MarkovChains::tokens_field) + b * task.length, static_cast<std::size_t>(task.length)),
        target(batch.i32(MarkovChains::target_field) + b * task.length, static_cast<std::size_t>(task.length)),
        transition(batch.f32(MarkovChains::transition_field) + b * task.contexts() * task.states) {}
};

}  // namespace

std::vector<Measure> PredictionProbe::measures() const {
  return {{"loss", "-log of the next state's probability, mean over positions"},
          {"accuracy", "share of positions where the next state has the largest logit"},
          {"kl", "KL(predictor || model) in nats, mean over positions", {predictor_axis(task_)}},
          {"kl_last", "KL(predictor || model) in nats at the last position", {predictor_axis(task_)}}};
}

void PredictionProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                                 std::span<double> sums) const {
  const float* logits = tap("logits").data;
  const auto T = static_cast<std::size_t>(task_.length), k = static_cast<std::size_t>(task_.states);
  Predictors predictors(task_);
  const std::size_t n = predictors.count();
  std::vector<double> log_q(k);
  for (int b = 0; b < batch.size(); ++b) {
    const Sample sample(task_, batch, b);
    predictors.read(sample.tokens, sample.transition);
    for (std::size_t t = 0; t < T; ++t, logits += k) {
      log_softmax(logits, log_q);
      const auto target = static_cast<std::size_t>(sample.target[t]);
      const auto best = static_cast<std::size_t>(std::max_element(logits, logits + k) - logits);
      sums[0] -= log_q[target] / static_cast<double>(T);
      sums[1] += (best == target ? 1 : 0) / static_cast<double>(T);
      for (std::size_t p = 0; p < n; ++p) {
        const double kl = divergence(predictors.at(p, t), log_q);
        sums[2 + p] += kl / static_cast<double>(T);
        if (t + 1 == T) sums[2 + n + p] += kl;
      }
    }
  }
}

std::vector<Measure> ReferenceProbe::measures() const {
  const Dim predictor = predictor_axis(task_);
  return {{"risk", "-log of the next state's probability, mean over positions", {predictor}},
          {"risk_last", "-log of the next state's probability at the last position", {predictor}},
          {"hits", "share of positions where the next state is the likeliest", {predictor}},
          {"risk_by_position",
           "-log of the next state's probability after each state",
           {predictor, {.name = "position", .size = task_.length}}}};
}

void ReferenceProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>&,
                                std::span<double> sums) const {
  const auto T = static_cast<std::size_t>(task_.length);
  Predictors predictors(task_);
  const std::size_t n = predictors.count();
  for (int b = 0; b < batch.size(); ++b) {
    const Sample sample(task_, batch, b);
    predictors.read(sample.tokens, sample.transition);
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t t = 0; t < T; ++t) {
        const std::span<const double> q = predictors.at(p, t);
        const auto target = static_cast<std::size_t>(sample.target[t]);
        const double loss = -std::log(q[target]);
        sums[p] += loss / static_cast<double>(T);
        if (t + 1 == T) sums[n + p] += loss;
        const auto best = static_cast<std::size_t>(std::max_element(q.begin(), q.end()) - q.begin());
        sums[2 * n + p] += (best == target ? 1 : 0) / static_cast<double>(T);
        sums[3 * n + p * T + t] += loss;
      }
    }
  }
}

AttentionProbe::AttentionProbe(const MarkovChainsConfig& task, const ModelConfig& model)
    : task_(task), n_layers_(model.n_layers), n_heads_(model.n_heads) {}

std::vector<std::string> AttentionProbe::taps() const {
  std::vector<std::string> names = {"logits"};
  for (std::int64_t l = 0; l < n_layers_; ++l) names.push_back(fmt::format("blocks.{}.attn.pattern", l));
  return names;
}

std::vector<Measure> AttentionProbe::measures() const {
  const std::vector<Dim> layer_head = {{.name = "layer", .size = n_layers_}, {.name = "head", .size = n_heads_}};
  std::vector<Measure> all = {
      loss_by_position(task_),
      {"prev_token", "attention to the token before, mean over all tokens but the first", layer_head},
      {"induction", "attention of the last token to tokens that come after one that equals it, summed", layer_head},
      {"induction_chance",
       "the same of uniform attention: the share of tokens that come after one that equals the last"}};
  if (task_.order == 2) {
    all.push_back({"two_back", "attention to the token two before, mean over tokens", layer_head});
    all.push_back(
        {"induction_pair", "attention of the last token to those after the same two states, summed", layer_head});
  }
  return all;
}

void AttentionProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                                std::span<double> sums) const {
  const auto T = static_cast<std::size_t>(task_.length), heads = static_cast<std::size_t>(n_layers_ * n_heads_);
  add_loss_by_position(batch, tap("logits"), sums.first(T));
  const std::span<double> prev = sums.subspan(T, heads), induction = sums.subspan(T + heads, heads);
  double& chance = sums[T + 2 * heads];
  const std::span<double> rest = sums.subspan(T + 2 * heads + 1);  // of order 2
  std::vector<std::vector<std::int64_t>> after_one, after_two;
  for (int b = 0; b < batch.size(); ++b) {
    const Sample sample(task_, batch, b);
    after_one.push_back(measures::followers(sample.tokens, 1));
    after_two.push_back(measures::followers(sample.tokens, 2));
    chance += static_cast<double>(after_one.back().size()) / static_cast<double>(T);
  }
  for (std::int64_t l = 0; l < n_layers_; ++l) {
    const float* pattern = tap(fmt::format("blocks.{}.attn.pattern", l)).data;
    for (std::int64_t h = 0; h < n_heads_; ++h) {
      const auto at = static_cast<std::size_t>(l * n_heads_ + h);
      for (std::size_t b = 0; b < after_one.size(); ++b, pattern += T * T) {
        const float* last = pattern + (T - 1) * T;
        prev[at] += measures::attention_back(pattern, task_.length, 1);
        for (const std::int64_t j : after_one[b]) induction[at] += last[j];
        if (task_.order == 1) continue;
        rest[at] += measures::attention_back(pattern, task_.length, 2);
        for (const std::int64_t j : after_two[b]) rest[heads + at] += last[j];
      }
    }
  }
}

std::vector<Measure> MinimalProbe::measures() const {
  return {loss_by_position(task_),
          {"v_previous", "the vector's entry at distance 1"},
          {"v_rest", "mean absolute value of the vector's other entries"},
          {"W_diagonal", "mean of the matrix's diagonal"},
          {"W_off_diagonal", "mean of the matrix's other entries"}};
}

void MinimalProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                              std::span<double> sums) const {
  const std::int64_t T = task_.length, k = task_.states;
  add_loss_by_position(batch, tap("logits"), sums.first(static_cast<std::size_t>(T)));
  const float *v = tap("minimal.v").data, *W = tap("minimal.W").data;
  double rest = 0, diagonal = 0, all = 0;
  for (std::int64_t d = 0; d < T; ++d) rest += d == 1 ? 0 : std::abs(v[d]);
  for (std::int64_t i = 0; i < k * k; ++i) {
    all += W[i];
    if (i % (k + 1) == 0) diagonal += W[i];
  }
  const double values[] = {v[1], rest / static_cast<double>(T - 1), diagonal / static_cast<double>(k),
                           (all - diagonal) / static_cast<double>(k * (k - 1))};
  for (std::size_t i = 0; i < 4; ++i) sums[static_cast<std::size_t>(T) + i] += batch.size() * values[i];
}

namespace measures {

double attention_back(const float* pattern, std::int64_t tokens, std::int64_t back) {
  double total = 0;
  for (std::int64_t i = back; i < tokens; ++i) total += pattern[i * tokens + i - back];
  return total / static_cast<double>(tokens - back);
}

std::vector<std::int64_t> followers(std::span<const std::int32_t> tokens, std::int64_t context_length) {
  const auto n = static_cast<std::int64_t>(tokens.size());
  std::vector<std::int64_t> found;
  for (std::int64_t j = context_length; j < n; ++j) {
    if (std::equal(tokens.begin() + (j - context_length), tokens.begin() + j, tokens.end() - context_length))
      found.push_back(j);
  }
  return found;
}

}  // namespace measures

}  // namespace saltus::markov_chains
