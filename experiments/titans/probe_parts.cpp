#include "experiments/titans/probe_parts.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <limits>

namespace saltus::titans {

std::string tap_name(std::int64_t layer, const char* what) { return fmt::format("blocks.{}.mixer.{}", layer, what); }

std::vector<std::string> of_all_layers(std::int64_t n_layers, std::initializer_list<const char*> what) {
  std::vector<std::string> names;
  for (std::int64_t l = 0; l < n_layers; ++l) {
    for (const char* w : what) names.push_back(tap_name(l, w));
  }
  return names;
}

Dim layers(const ModelConfig& model) { return {.name = "layer", .size = model.n_layers}; }

Dim heads(const ModelConfig& model) { return {.name = "head", .size = model.mixer.n_heads}; }

Dim roles() { return {.name = "role", .labels = {"filler", "key", "value", "query"}}; }

std::size_t bin_of(std::int64_t count) {
  return count == 0 ? 0 : static_cast<std::size_t>(std::bit_width(static_cast<std::uint64_t>(count - 1))) + 1;
}

Dim bins(const char* name, std::int64_t largest, const char* long_name) {
  Dim dim{.name = name, .long_name = long_name, .values = {0}};
  for (std::size_t b = 1; b <= bin_of(largest); ++b) dim.values.push_back(std::ldexp(1, static_cast<int>(b) - 1));
  return dim;
}

const float* at(const TapValue& tap, std::int64_t b, std::int64_t h) {
  std::int64_t size = 1;
  for (int axis = 2; axis < tap.shape.rank(); ++axis) size *= tap.shape[axis];
  return tap.data + (b * tap.shape[1] + h) * size;
}

double mean(const float* x, std::int64_t n) {
  double total = 0;
  for (std::int64_t i = 0; i < n; ++i) total += x[i];
  return total / static_cast<double>(n);
}

std::vector<double> by_role(const std::int32_t* roles, std::int64_t length, const float* x) {
  std::vector<double> total(n_roles), tokens(n_roles);
  for (std::int64_t t = 0; t < length; ++t) {
    total[static_cast<std::size_t>(roles[t])] += x[t];
    tokens[static_cast<std::size_t>(roles[t])] += 1;
  }
  for (std::size_t r = 0; r < total.size(); ++r)
    total[r] = tokens[r] > 0 ? total[r] / tokens[r] : std::numeric_limits<double>::quiet_NaN();
  return total;
}

std::span<double> of_measure(const std::vector<Measure>& measures, const char* name, std::span<double> sums) {
  std::size_t from = 0;
  for (const Measure& m : measures) {
    if (m.name == name) return sums.subspan(from, static_cast<std::size_t>(m.size()));
    from += static_cast<std::size_t>(m.size());
  }
  return {};
}

}  // namespace saltus::titans
