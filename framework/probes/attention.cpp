#include "probes/attention.h"

#include <cmath>

namespace saltus::measures {

double previous_token(const float* pattern, std::int64_t tokens) {
  double total = 0;
  for (std::int64_t i = 1; i < tokens; ++i) total += pattern[i * tokens + i - 1];
  return total / static_cast<double>(tokens - 1);
}

double entropy(const float* row, std::int64_t keys) {
  double total = 0;
  for (std::int64_t j = 0; j < keys; ++j) {
    if (row[j] > 0) total -= row[j] * std::log(static_cast<double>(row[j]));
  }
  return total;
}

double mean_entropy(const float* pattern, std::int64_t tokens) {
  double total = 0;
  for (std::int64_t i = 0; i < tokens; ++i) total += entropy(pattern + i * tokens, tokens);
  return total / static_cast<double>(tokens);
}

}  // namespace saltus::measures
