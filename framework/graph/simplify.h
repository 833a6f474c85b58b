#pragma once
#include <span>
#include <vector>

#include "graph/graph.h"

namespace saltus {

/// What of a graph has to be computed for some outputs.
struct Simplified {
  std::vector<int> canonical;  // by id: the first node that computes the same value (same op, attributes and inputs)
  std::vector<int> order;      // ids of the canonical nodes that the outputs need, in order of recording
};

/// Finds equal nodes and drops dead ones. Every op is a pure function of its inputs, so equal nodes have equal values.
Simplified simplify(const Graph& graph, std::span<const Var> outputs);

}  // namespace saltus
