#pragma once
#include <memory>
#include <string>
#include <vector>

#include "config/fields.h"
#include "nn/params.h"
#include "probes/probe.h"

namespace saltus::icl_classification {

/// A number of a reduced model: trained from where it starts, or held there.
struct ScalarConfig {
  double start = 0;
  bool train = true;

  void fields(Fields& f);
};

/// The number as [1], also as the tap `name`. Trained, it is `scale` times the parameter `name`; held, it is a constant
/// of the graph, which neither an optimizer nor its decay can move. With scale s, sgd and momentum move it at s^2 times
/// the learning rate, adam at s.
Var record_scalar(Graph& graph, ParamStore& params, const std::string& name, const ScalarConfig& config,
                  double scale = 1);

/// Appends `<key>.start` to `keys` if the number is trained: of a trained model it says nothing.
void add_start_if_trained(std::vector<std::string>& keys, const std::string& key, const ScalarConfig& config);

/// The measures of another probe, then the value of each scalar, from the taps of record_scalar.
class ScalarSeries : public Probe {
 public:
  /// `scalars`: name and meaning of each, without axes.
  ScalarSeries(std::unique_ptr<Probe> inner, std::vector<Measure> scalars);
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 private:
  std::unique_ptr<Probe> inner_;
  std::vector<Measure> scalars_;
};

}  // namespace saltus::icl_classification
