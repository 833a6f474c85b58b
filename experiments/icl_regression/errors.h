#pragma once
#include "data/linear_regression.h"
#include "probes/probe.h"

namespace saltus::icl_regression {

/// Squared errors of the answers at the query, averaged over the N outputs, from the tap prediction [batch, task]:
///   loss    E (yhat_n - y_n)^2, with the noise that the targets carry (what is trained)
///   excess  E (yhat_n - beta_n . x_q)^2, without
/// Independent noise on the query makes loss = excess + its variance.
class RegressionProbe : public Probe {
 public:
  explicit RegressionProbe(const LinearRegressionConfig& task) : task_(task) {}
  std::vector<std::string> taps() const override { return {"prediction"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  LinearRegressionConfig task_;
};

/// For models that answer at every x of the sequence (Garg et al. 2022), from the tap predictions [batch, n_seen = L+1,
/// task]: pointwise_loss [n_seen], the squared error at the x that has seen n_seen pairs, with the target's noise,
/// averaged over outputs.
class PointwiseProbe : public Probe {
 public:
  explicit PointwiseProbe(const LinearRegressionConfig& task) : task_(task) {}
  std::vector<std::string> taps() const override { return {"predictions"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  LinearRegressionConfig task_;
};

}  // namespace saltus::icl_regression
