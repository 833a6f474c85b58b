#include "experiments/markov_chains/predictors.h"

#include <algorithm>
#include <cmath>

namespace saltus::markov_chains {

ContextCounts::ContextCounts(std::int64_t states, int context_length, double alpha)
    : states_(static_cast<std::size_t>(states)), context_length_(context_length), alpha_(alpha) {
  std::size_t contexts = 1;
  for (int i = 0; i < context_length; ++i) contexts *= states_;
  counts_.resize(contexts * states_);
  totals_.resize(contexts);
}

void ContextCounts::start() {
  std::fill(counts_.begin(), counts_.end(), 0.0);
  std::fill(totals_.begin(), totals_.end(), 0.0);
  seen_ = 0;
  context_ = 0;
}

void ContextCounts::see(std::int32_t state) {
  const auto s = static_cast<std::size_t>(state);
  if (seen_ >= context_length_) {
    counts_[context_ * states_ + s] += 1;
    totals_[context_] += 1;
  }
  context_ = (context_ * states_ + s) % totals_.size();
  ++seen_;
}

void ContextCounts::predict(std::span<double> out) const {
  if (seen_ < context_length_) {
    std::fill(out.begin(), out.end(), 1 / static_cast<double>(states_));
    return;
  }
  const double total = totals_[context_] + static_cast<double>(states_) * alpha_;
  for (std::size_t s = 0; s < states_; ++s) out[s] = (counts_[context_ * states_ + s] + alpha_) / total;
}

std::vector<std::string> Predictors::labels(const MarkovChainsConfig& task) {
  std::vector<std::string> all = {"uniform", "unigram", "bigram"};
  if (task.order == 2) all.emplace_back("trigram");
  all.emplace_back("chain");
  return all;
}

Predictors::Predictors(const MarkovChainsConfig& task)
    : states_(static_cast<std::size_t>(task.states)),
      length_(static_cast<std::size_t>(task.length)),
      order_(static_cast<std::size_t>(task.order)) {
  for (int n = 0; n <= task.order; ++n) counts_.emplace_back(task.states, n, task.concentration);
  table_.assign(count() * length_ * states_, 1 / static_cast<double>(states_));  // the uniform one's stay
}

void Predictors::read(std::span<const std::int32_t> tokens, const float* transition) {
  for (std::size_t n = 0; n < counts_.size(); ++n) {
    counts_[n].start();
    for (std::size_t t = 0; t < length_; ++t) {
      counts_[n].see(tokens[t]);
      counts_[n].predict(entry(1 + n, t));
    }
  }
  for (std::size_t t = order_ - 1; t < length_; ++t) {
    std::size_t context = static_cast<std::size_t>(tokens[t]);
    if (order_ == 2) context += static_cast<std::size_t>(tokens[t - 1]) * states_;
    std::copy_n(transition + context * states_, states_, entry(count() - 1, t).begin());
  }
}

double divergence(std::span<const double> p, std::span<const double> log_q) {
  double sum = 0;
  for (std::size_t s = 0; s < p.size(); ++s) {
    if (p[s] > 0) sum += p[s] * (std::log(p[s]) - log_q[s]);
  }
  return sum;
}

}  // namespace saltus::markov_chains
