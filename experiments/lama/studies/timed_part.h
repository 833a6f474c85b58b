#pragma once
#include <memory>
#include <span>
#include <vector>

#include "core/rng.h"
#include "experiments/lama/model.h"
#include "graph/plan.h"

namespace saltus::lama {

/// What is timed of a model.
struct Part {
  enum class Kind {
    encoder,         // e -> H: what every pooling waits for
    pooling,         // H -> S, given H
    self_attention,  // of the transformer's layer: H to what is added to H, without feed-forward part and norms
    whole            // tokens -> logits
  };
  const char* label;
  Kind kind;
  const char* pooling;   // of the model
  bool word_mlp = true;  // as ModelConfig's
};

/// The encoder, every attention alone, and whole models.
std::span<const Part> timed_parts();

/// A part compiled for `batch` random texts of full length, with random parameters and no gradient.
class TimedPart {
 public:
  /// `model` gives the sizes; `part` decides pooling and word_mlp.
  TimedPart(const Part& part, ModelConfig model, const TextShape& shape, std::int64_t batch, const Seeds& seeds);

  /// Operations a text: a multiplication and an addition are two.
  double flops() const;
  /// Milliseconds a text of the calling thread's processor time, which is the time of inference where nothing else
  /// wants the processor, and does not count others' turns where something does: after one run to warm up, the mean
  /// over as many runs as take `least_ms`, at least one.
  double milliseconds(double least_ms) const;

 private:
  std::int64_t batch_;
  ParamStore params_;  // in whose memory the plan reads
  std::unique_ptr<Plan> plan_;
};

}  // namespace saltus::lama
