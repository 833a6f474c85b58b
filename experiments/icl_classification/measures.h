#pragma once
#include "data/icl_classification.h"
#include "probes/probe.h"

namespace saltus::icl_classification {

/// The progress measures of Reddy 2024 (ILA, TILA, TLA, CLA), with those of later reimplementations, on sequences whose target is in
/// the context. Per layer and head, from blocks.{l}.attn.pattern [head, batch, query, key] with all queries, and from logits.
class ProgressProbe : public Probe {
 public:
  ProgressProbe(const IclClassificationConfig& task, int n_layers, int n_heads);
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap, std::span<double> sums) const override;

 private:
  std::int64_t n_pairs_, n_tokens_;
  int n_layers_, n_heads_;
};

/// The per-head measures of one sequence, from its pattern [query, key] with 2 n_pairs + 1 tokens; match[k] says whether pair k is of
/// the target's class. The order is that of ProgressProbe::measures().
struct SequenceMeasures {
  double item_label, prev_token, target_item_label, target_labels, induction_strength, target_item_item, attention_entropy,
      target_attention_entropy, target_self;
};
SequenceMeasures measure_sequence(const float* pattern, const std::int32_t* match, std::int64_t n_pairs);

}  // namespace saltus::icl_classification
