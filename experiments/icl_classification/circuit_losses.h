#pragma once
#include <span>
#include <string>
#include <vector>

#include "experiments/icl_classification/measures.h"

namespace saltus::icl_classification {

/// The network with other attention patterns: what the clamps (clamps.h) of a hypothesised circuit, or of all but it,
/// leave of its answers. Loss and accuracy under them are progress measures, after Nanda et al. 2023 (arXiv
/// 2301.05217).
struct Circuit {
  const char* name;
  std::vector<std::string> clamps;
};
/// restricted: nothing but the induction circuit. In layer 0 label tokens attend to their items and others to nothing;
/// in layer 1 the target attends to the labels of its class. How well this does says what W_V and the classifier have
/// learned, whatever the scores have. excluded: the trained attention without the target's to those labels, in layer 1.
/// How badly this does says what the network owes to it. Both come after the clamps that the model has of its own.
std::span<const Circuit> circuits();

/// ProgressProbe with, for the network and for each circuit, loss and accuracy on the same sequences, and the norm of
/// all weights. Reads logits, {circuit}.logits [batch, label] and weight_norm [].
class CircuitLossProbe : public ProgressProbe {
 public:
  using ProgressProbe::ProgressProbe;
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;
};

}  // namespace saltus::icl_classification
