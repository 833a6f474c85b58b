#pragma once
#include <vector>

#include "data/sequence_task.h"
#include "experiments/titans/model.h"
#include "probes/probe.h"

namespace saltus::titans {

/// How hard tokens pull at memories, from their taps surprise, momentum_alignment, theta and momentum_norm
/// (surprise.h):
///   surprise            [.., role]  |u_t|, the norm of the inner gradient, mean over the tokens of a role
///   step_norm           [.., role]  theta_t |u_t|, what a token adds to the momentum, mean over the tokens of a role
///   surprise_ratio      surprise of a sequence's keys and values over that of its filler; nan where it has none of
///                       either. Filler that sees a value in the convolution counts as filler.
///   momentum_norm       |S| at the end of the sequence
///   momentum_alignment  cos(S, -u_t) of the momentum at a chunk's start and its first token, mean over chunks but the
///                       first, which has no momentum of the sequence's own, only what persistent vectors left where a
///                       memory reads them; nan where there is one chunk alone
class SurpriseProbe : public Probe {
 public:
  SurpriseProbe(const SequenceShape& shape, const ModelConfig& model) : shape_(shape), model_(model) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  SequenceShape shape_;
  ModelConfig model_;
};

/// What should be left of an answer when it is asked for, from the taps theta, eta and alpha:
///   survival_by_distance [.., distance]  measures::survival from the token that holds the answer to the
///                                        question, summed over a sequence's questions of a distance: over
///                                        RetrievalProbe's questions_by_distance it is their mean, to be
///                                        held against correct_by_distance
///   survival_by_writes   [.., writes]    the same by the other writes in between
///   needle_half_life                     tokens of filler after which survival has halved: ln 2 over the mean
///                                        of measures::shrink_rate over filler; nan without filler
class SurvivalProbe : public Probe {
 public:
  SurvivalProbe(const SequenceShape& shape, const ModelConfig& model) : shape_(shape), model_(model) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  SequenceShape shape_;
  ModelConfig model_;
};

}  // namespace saltus::titans
