#pragma once
#include <cstdint>
#include <vector>

#include "data/sequence_task.h"
#include "experiments/titans/model.h"
#include "experiments/titans/probes.h"
#include "probes/probe.h"

/// What is inside a sequence mixer, as measures with axes layer and head; means over samples. The formulas are
/// measures.h's.
namespace saltus::titans {

/// Of all mixers with keys of length 1, from their taps q and k [batch, head, position, d_head]:
///   key_interference    mean |k_i . k_j|
///   query_key_alignment [.., offset]  cosine of a question's q with the k of the token that its answer was
///                                     last written at, above that with others; or of the token 1, 2, ...
///                                     after, up to where the convolution on k and v still sees the answer
class KeyProbe : public Probe {
 public:
  KeyProbe(const SequenceShape& shape, const ModelConfig& model) : shape_(shape), model_(model) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  SequenceShape shape_;
  ModelConfig model_;
};

/// How memories write, from their taps q, k, theta, eta, alpha, M.<l> and inner_loss:
///   theta, eta, alpha       [.., role]      means over the tokens of a role; nan for roles that the task lacks
///   decay_half_life, stability_margin, repetition_growth
///   implicit_attention      [.., offset]    of questions, on the token that their answer was last written at
///                                           or on those soon after, as above
///   inner_loss              [.., reader]    |M(k_t) - v_t|^2, mean over tokens, of M_0, of the memory before
///                                           it wrote t, and after
///   inner_loss_by_position  [.., reader, position]  the same, token by token
///   memory_stable_rank, memory_effective_rank  [.., memory_layer]  at the end of the sequence
class WriteProbe : public Probe {
 public:
  WriteProbe(const SequenceShape& shape, const ModelConfig& model) : shape_(shape), model_(model) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  SequenceShape shape_;
  ModelConfig model_;
};

/// All that is measured of memories: WriteProbe, and surprise and predicted survival (surprise_probes.h).
class MemoryProbe : public ProbeList {
 public:
  MemoryProbe(const SequenceShape& shape, const ModelConfig& model);
};

/// How mac and mag weigh their two branches, from the taps gate and sources:
///   attention_gate       what attention's output is multiplied with, mean over tokens and channels [layer]
///   attention_by_source  of mac: a token's attention to persistent vectors, memory and segment, mean over
///                        tokens [layer, head, source]
class BranchProbe : public Probe {
 public:
  BranchProbe(const SequenceShape& shape, const ModelConfig& model) : shape_(shape), model_(model) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  SequenceShape shape_;
  ModelConfig model_;
};

}  // namespace saltus::titans
