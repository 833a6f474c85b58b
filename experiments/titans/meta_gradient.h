#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/titans/memory.h"
#include "experiments/titans/mixers.h"
#include "experiments/titans/model.h"
#include "probes/probe.h"

/// How much of what is trained reaches a memory as it was some time ago: the norm of d loss / d M at the start of a
/// chunk, M_0 held as what alpha pulls towards. In a linear memory with chunks of one token and without momentum, a
/// token back in time takes it to 1 - alpha - 2 theta of itself along the token's key of length 1 and to 1 - alpha
/// across it.
namespace saltus::titans {

/// Names M at every chunk's start "<taps>.chunk_start.<chunk>.<memory layer>", for tap_meta_gradients.
void tap_chunk_starts(const MixerContext& c, const MemoryOutput& y);

/// Taps "blocks.{l}.mixer.meta_gradient" [batch, head, age] for each block l whose chunk starts are tapped: the norm of
/// d loss / d M, all layers of M together, at the start of the last chunk, of the one before it, and so on. Age is
/// counted from the end of the sequence and not from a question, for a sequence's loss is a mean over its questions and
/// its one gradient is that of all that come later. `loss` is a scalar: the sum of the sequences' losses, so that each
/// one's gradient is its own whatever the batch.
void tap_meta_gradients(Graph& graph, Var loss, const ModelConfig& model);

/// From those taps:
///   meta_gradient [layer, head, age]  the norm, mean over sequences; age 1 is the start of the last chunk
class MetaGradientProbe : public Probe {
 public:
  /// For sequences of `positions` tokens and a model that has_memory().
  MetaGradientProbe(std::int64_t positions, const ModelConfig& model) : positions_(positions), model_(model) {}
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  std::int64_t positions_;
  ModelConfig model_;
};

}  // namespace saltus::titans
