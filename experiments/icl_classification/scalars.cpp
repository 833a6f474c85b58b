#include "experiments/icl_classification/scalars.h"

#include "ops/ops.h"

namespace saltus::icl_classification {

void ScalarConfig::fields(Fields& f) {
  f.field("start", start, "value at step 0");
  f.field("train", train, "false: it stays there");
}

Var record_scalar(Graph& graph, ParamStore& params, const std::string& name, const ScalarConfig& config, double scale) {
  Var x;  // [1]
  if (config.train) {
    x = params.declare(graph, name, {1}, {"scalar"}, Init::constant(config.start / scale));
    if (scale != 1) x = scale * x;
  } else {
    x = graph.constant({config.start}, {1});
  }
  graph.tap(name, x);
  return x;
}

void add_start_if_trained(std::vector<std::string>& keys, const std::string& key, const ScalarConfig& config) {
  if (config.train) keys.push_back(key + ".start");
}

ScalarSeries::ScalarSeries(std::unique_ptr<Probe> inner, std::vector<Measure> scalars)
    : inner_(std::move(inner)), scalars_(std::move(scalars)) {}

std::vector<std::string> ScalarSeries::taps() const {
  std::vector<std::string> names = inner_->taps();
  for (const Measure& s : scalars_) names.push_back(s.name);
  return names;
}

std::vector<Measure> ScalarSeries::measures() const {
  std::vector<Measure> all = inner_->measures();
  all.insert(all.end(), scalars_.begin(), scalars_.end());
  return all;
}

void ScalarSeries::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                              std::span<double> sums) const {
  const std::size_t inner = sums.size() - scalars_.size();
  inner_->accumulate(batch, tap, sums.first(inner));
  for (std::size_t i = 0; i < scalars_.size(); ++i)
    sums[inner + i] += batch.size() * static_cast<double>(tap(scalars_[i].name).data[0]);
}

}  // namespace saltus::icl_classification
