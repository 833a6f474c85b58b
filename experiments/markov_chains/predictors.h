#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/markov_chains.h"

namespace saltus::markov_chains {

/// Predicts the next state from how often each followed the last `context_length` ones so far, read state by state:
/// after counts c of what followed, (c_s + alpha) / (sum c + k alpha). For a context of the chain's own order whose
/// rows are Dirichlet(alpha) this is the posterior mean given the transitions seen. With `start: uniform` nothing else
/// tells of the chain, so no predictor that does not know the chain loses less. With `start: stationary` the first
/// state does too: it has probability pi_P(x_1). Who uses that gains, over all positions of a sequence together, at
/// most
///   I(x_1; P) = ln k - E H(pi_P)   nats
/// (of order 2 the first two states, k^2): 0.12 at k = 3 and alpha = 1, of which 0.010 at the first position; 0.44 and
/// 0.085 at alpha = 0.2. The bound is the gain in the limit of long sequences, so a mean over T positions gains at most
/// its T-th part.
class ContextCounts {
 public:
  /// context_length 0: unigram, 1: bigram, 2: trigram.
  ContextCounts(std::int64_t states, int context_length, double alpha);
  void see(std::int32_t state);
  /// Probabilities of the next state; uniform before context_length states were seen.
  void predict(std::span<double> out) const;
  /// Forgets all it saw.
  void start();

 private:
  std::size_t states_;
  int context_length_, seen_ = 0;
  double alpha_;
  std::size_t context_ = 0;     // number of the last context_length_ states
  std::vector<double> counts_;  // [context, next]
  std::vector<double> totals_;  // [context]
};

/// Every known answer to one sequence: [predictor, position, state], in double. In the order of labels(): uniform;
/// unigram, bigram and, of order 2, trigram, as ContextCounts with the prior's concentration; chain: the true one
/// (uniform where the sequence is still shorter than the order).
class Predictors {
 public:
  explicit Predictors(const MarkovChainsConfig& task);
  static std::vector<std::string> labels(const MarkovChainsConfig& task);
  std::size_t count() const { return counts_.size() + 2; }

  /// tokens [position], transition [context, state] of one sample of the task.
  void read(std::span<const std::int32_t> tokens, const float* transition);
  /// Probabilities of the next state after the token at `position`, [state].
  std::span<const double> at(std::size_t predictor, std::size_t position) const {
    return {table_.data() + (predictor * length_ + position) * states_, states_};
  }

 private:
  std::span<double> entry(std::size_t predictor, std::size_t position) {
    return {table_.data() + (predictor * length_ + position) * states_, states_};
  }

  std::size_t states_, length_, order_;
  std::vector<ContextCounts> counts_;
  std::vector<double> table_;
};

/// sum_s p_s (ln p_s - ln q_s), in nats: KL(p || q); log_q [state]. Entries p_s = 0 add nothing.
double divergence(std::span<const double> p, std::span<const double> log_q);

}  // namespace saltus::markov_chains
