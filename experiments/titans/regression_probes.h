#pragma once
#include <string>
#include <utility>
#include <vector>

#include "data/drifting_regression.h"
#include "experiments/titans/model.h"
#include "probes/probe.h"

namespace saltus::titans {

/// From the tap predictions [batch, pair, output]:
///   loss  squared error over E y^2, mean over pairs and outputs: what is trained
class DriftErrorProbe : public Probe {
 public:
  explicit DriftErrorProbe(const DriftingRegressionConfig& task) : task_(task) {}
  std::vector<std::string> taps() const override { return {"predictions"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  DriftingRegressionConfig task_;
};

/// The same, pair by pair: pointwise_loss [n_seen].
class DriftPointwiseProbe : public Probe {
 public:
  explicit DriftPointwiseProbe(const DriftingRegressionConfig& task) : task_(task) {}
  std::vector<std::string> taps() const override { return {"predictions"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  DriftingRegressionConfig task_;
};

/// What a mixer with gates writes and forgets at an x and at a y, [layer, head, ..], means over samples:
///   theta, eta, alpha, beta [.., token = x, y]   those gates that the mixer has
///   decay_half_life                              where there is alpha: tokens, of measures.h
/// and of memories
///   stability_margin, repetition_growth          of measures.h
///   inner_loss [.., reader]                      |M(k) - v|^2 of M_0, before and after the write, mean over tokens
///   inner_loss_by_position [.., reader, position]  the same, token by token
///   memory_stable_rank, memory_effective_rank [.., memory_layer]  after the last token
class DriftGateProbe : public Probe {
 public:
  DriftGateProbe(const DriftingRegressionConfig& task, const ModelConfig& model) : task_(task), model_(model) {}
  /// Whether there is anything to measure in this model.
  static bool has_gates(const ModelConfig& model) { return !gates(model).empty(); }
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  struct Sums;
  /// The taps [batch, head, position] that this model's mixers have.
  static std::vector<std::string> gates(const ModelConfig& model);
  void add_memory(std::int64_t layer, int samples, const std::function<TapValue(const std::string&)>& tap,
                  const Sums& sums) const;

  DriftingRegressionConfig task_;
  ModelConfig model_;
};

}  // namespace saltus::titans
