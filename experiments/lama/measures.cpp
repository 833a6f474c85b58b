#include "experiments/lama/measures.h"

#include <algorithm>
#include <cmath>

#include "probes/attention.h"

namespace saltus::lama::measures {
namespace {

double dot(const Rows& a, std::int64_t i, std::int64_t j) {
  double total = 0;
  for (std::int64_t t = 0; t < a.words; ++t) total += static_cast<double>(a.row(i)[t]) * a.row(j)[t];
  return total;
}

}  // namespace

double relative_entropy(const float* row, std::int64_t words) {
  return words > 1 ? saltus::measures::entropy(row, words) / std::log(static_cast<double>(words)) : 1;
}

double peak(const float* row, std::int64_t words) {
  return *std::max_element(row, row + words) * static_cast<double>(words);
}

double redundancy(const Rows& a) {
  double total = 0;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < a.rows; ++j) {
      const double off = dot(a, i, j) - (i == j ? 1 : 0);
      total += off * off;
    }
  }
  return std::sqrt(total);
}

double similarity(const Rows& a) {
  double total = 0;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < i; ++j) total += dot(a, i, j) / std::sqrt(dot(a, i, i) * dot(a, j, j));
  }
  return 2 * total / static_cast<double>(a.rows * (a.rows - 1));
}

}  // namespace saltus::lama::measures
