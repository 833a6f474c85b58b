#pragma once
#include "probes/probe.h"

namespace saltus {

/// Loss and accuracy of a classifier on any test set, from the tap "logits" [batch, class] and the task's i32 label field:
/// loss is the cross-entropy in nats, accuracy counts argmax over all classes (ties go to the lower index).
class ClassificationProbe : public Probe {
 public:
  explicit ClassificationProbe(int label_field) : label_field_(label_field) {}
  std::vector<std::string> taps() const override { return {"logits"}; }
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap, std::span<double> sums) const override;

 private:
  int label_field_;
};

}  // namespace saltus
