#include "experiments/icl_classification/circuit_losses.h"

#include "probes/classification.h"

namespace saltus::icl_classification {
namespace {

constexpr std::size_t numbers_each = 2;  // loss and accuracy

std::size_t own_numbers() { return numbers_each * (1 + circuits().size()) + 1; }

}  // namespace

std::span<const Circuit> circuits() {
  static const std::vector<Circuit> all = {{"restricted", {"0.* zero", "0.* own_item", "1.* induction"}},
                                           {"excluded", {"1.* not_induction"}}};
  return all;
}

std::vector<std::string> CircuitLossProbe::taps() const {
  std::vector<std::string> names = ProgressProbe::taps();
  for (const Circuit& circuit : circuits()) names.push_back(circuit.name + std::string(".logits"));
  names.emplace_back("weight_norm");
  return names;
}

std::vector<Measure> CircuitLossProbe::measures() const {
  std::vector<Measure> all = ProgressProbe::measures();
  all.push_back({"full_loss", "cross-entropy in nats of the network as it is"});
  all.push_back({"full_accuracy", "accuracy of the network as it is"});
  all.push_back(
      {"restricted_loss", "cross-entropy with an ideal induction circuit for all attention (Nanda et al. 2023)"});
  all.push_back({"restricted_accuracy", "accuracy with an ideal induction circuit for all attention"});
  all.push_back({"excluded_loss", "cross-entropy without the last layer's attention to right labels"});
  all.push_back({"excluded_accuracy", "accuracy without the last layer's attention to right labels"});
  all.push_back({"weight_norm", "square root of the sum of squares of all parameters"});
  return all;
}

void CircuitLossProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                                  std::span<double> sums) const {
  std::span<double> own = sums.last(own_numbers());
  ProgressProbe::accumulate(batch, tap, sums.first(sums.size() - own.size()));
  const ClassificationProbe classification(IclClassification::label_field);
  const auto add = [&](const std::string& prefix) {
    classification.accumulate(
        batch, [&](const std::string& name) { return tap(prefix + name); }, own.first(numbers_each));
    own = own.subspan(numbers_each);
  };
  add("");
  for (const Circuit& circuit : circuits()) add(circuit.name + std::string("."));
  own[0] += double{*tap("weight_norm").data} * batch.size();
}

}  // namespace saltus::icl_classification
