#pragma once
#include <cstdint>

#include "experiments/markov_chains/model.h"
#include "experiments/markov_chains/predictors.h"
#include "probes/probe.h"

namespace saltus::markov_chains {

/// How well the next state is predicted, and whose predictions the model's are like; from the tap logits, means over
/// positions:
///   loss      -log softmax(logits)[target], what is trained
///   accuracy  share where the target has the largest logit
///   kl        [predictor] KL(predictor || model) in nats
///   kl_last   [predictor] the same at the last position
class PredictionProbe : public Probe {
 public:
  explicit PredictionProbe(const MarkovChainsConfig& task) : task_(task) {}
  std::vector<std::string> taps() const override { return {"logits"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  MarkovChainsConfig task_;
};

/// The predictors' own losses on the same questions: means over positions.
///   risk, risk_last, hits  [predictor]            -log p(target), the same at the last position, and how often the
///   target is
///                                                 the likeliest state
///   risk_by_position       [predictor, position]
class ReferenceProbe : public Probe {
 public:
  explicit ReferenceProbe(const MarkovChainsConfig& task) : task_(task) {}
  std::vector<std::string> taps() const override { return {}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  MarkovChainsConfig task_;
};

/// Loss along a sequence, and the two steps of an induction head; attention [layer, head] from
/// blocks.{l}.attn.pattern:
///   loss_by_position  [position]
///   prev_token        attention to the token before, mean over queries
///   induction         attention of the last query to tokens that come after one that equals it
///   induction_chance  what uniform attention would give there (no axes)
/// and of order 2 also
///   two_back          attention to the token two before, mean over queries
///   induction_pair    attention of the last query to tokens that come after the same two states
class AttentionProbe : public Probe {
 public:
  AttentionProbe(const MarkovChainsConfig& task, const ModelConfig& model);
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  MarkovChainsConfig task_;
  std::int64_t n_layers_, n_heads_;
};

/// The minimal model's loss along a sequence, and its weights:
///   loss_by_position         [position]
///   v_previous, v_rest       the vector's entry at distance 1, and the mean size of the others
///   W_diagonal, W_off_diagonal  means of the matrix's entries
class MinimalProbe : public Probe {
 public:
  explicit MinimalProbe(const MarkovChainsConfig& task) : task_(task) {}
  std::vector<std::string> taps() const override { return {"logits", "minimal.v", "minimal.W"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  MarkovChainsConfig task_;
};

namespace measures {

/// Mean over queries i >= back of p[i][i - back], of a pattern [query, key].
double attention_back(const float* pattern, std::int64_t tokens, std::int64_t back);

/// Positions j <= last that come after the same `context_length` tokens as those that end at the last one; at least as
/// many tokens lie before each.
std::vector<std::int64_t> followers(std::span<const std::int32_t> tokens, std::int64_t context_length);

}  // namespace measures

}  // namespace saltus::markov_chains
