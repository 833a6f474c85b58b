#pragma once
#include <functional>
#include <map>

#include "nn/carry.h"
#include "nn/finite_differences.h"

namespace saltus::tests {

inline Leaves<double> leaves_of(std::map<std::string, std::vector<double>, std::less<>> values) {
  return {std::move(values), {}};
}

/// Something recorded over x [batch, position, channel], to the same positions: [batch, position, ...] or [...,
/// position, channel].
using Recorded = std::function<Var(Graph&, Carry&, Var x)>;

/// Elements [first, last) of the position axis of x [batch, position, channel].
inline std::vector<double> positions(const std::vector<double>& x, const Shape& shape, std::int64_t first,
                                     std::int64_t last) {
  std::vector<double> out;
  for (std::int64_t b = 0; b < shape[0]; ++b) {
    const auto row = x.begin() + b * shape[1] * shape[2];
    out.insert(out.end(), row + first * shape[2], row + last * shape[2]);
  }
  return out;
}

/// `recorded` over x in stretches of the given lengths, what each leaves handed to the next: the outputs one stretch
/// after another. `parameters` are the values of other leaves.
inline std::vector<std::vector<double>> in_stretches(const Recorded& recorded, const std::vector<double>& x,
                                                     const Shape& shape, const std::vector<std::int64_t>& lengths,
                                                     const Leaves<double>& parameters) {
  std::vector<std::vector<double>> out;
  std::map<std::string, std::vector<double>> carried;
  std::int64_t first = 0;
  for (std::int64_t n : lengths) {
    Graph graph;
    Carry carry(Carry::Mode::stretch);
    const Var y = recorded(graph, carry, graph.input("x", shape.with(1, n)));
    Leaves<double> leaves = parameters;
    leaves.values["x"] = positions(x, shape, first, first + n);
    std::vector<Var> wanted = {y};
    for (const auto& [name, initial] : carry.initial()) {
      leaves.values["carry." + name] =
          carried.empty() || first == 0 ? value(graph, initial, parameters) : carried.at(name);
      wanted.push_back(graph.tapped("carry." + name));
    }
    std::vector<std::vector<double>> values = evaluate<double>(graph, wanted, leaves);
    out.push_back(values[0]);
    std::size_t i = 1;
    for (const auto& [name, initial] : carry.initial()) carried[name] = values[i++];
    first += n;
  }
  return out;
}

inline double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

}  // namespace saltus::tests
