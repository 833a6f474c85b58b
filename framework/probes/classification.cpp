#include "probes/classification.h"

#include <algorithm>
#include <cmath>

namespace saltus {

std::vector<Measure> ClassificationProbe::measures() const {
  return {{"loss", "cross-entropy in nats"}, {"accuracy", "share of samples whose largest logit is the label's"}};
}

void ClassificationProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                                     std::span<double> sums) const {
  const TapValue logits = tap("logits");
  const std::int64_t classes = logits.shape[-1];
  const std::int32_t* labels = batch.i32(label_field_);
  for (int b = 0; b < batch.size(); ++b) {
    const float* row = logits.data + b * classes;
    const float* top = std::max_element(row, row + classes);
    double total = 0;
    for (std::int64_t c = 0; c < classes; ++c) total += std::exp(static_cast<double>(row[c]) - *top);
    sums[0] += std::log(total) + *top - row[labels[b]];
    sums[1] += top - row == labels[b];
  }
}

}  // namespace saltus
