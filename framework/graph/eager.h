#pragma once
#include <map>
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace saltus {

/// Values for the leaves of a graph, by name.
template <class Real>
struct Leaves {
  std::map<std::string, std::vector<Real>, std::less<>> values;                // inputs and parameters
  std::map<std::string, std::vector<std::int32_t>, std::less<>> indices;       // i32 inputs
};

enum class Kernels { reference, fast };

/// Computes values one node at a time, each in memory of its own: slow and plain, for tests and debugging. In double only reference
/// kernels exist. Throws when a leaf is missing or has the wrong size.
template <class Real>
std::vector<std::vector<Real>> evaluate(const Graph& graph, std::span<const Var> outputs, const Leaves<Real>& leaves,
                                        Kernels kernels = Kernels::reference);

}  // namespace saltus
