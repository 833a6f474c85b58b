#pragma once
#include <span>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace saltus {

/// Several runs of one model as one graph. Where a model is too small to keep a core busy, most of a step is the calls
/// of kernels; runs that are alike share them, and each still gets the very bits that it would get alone.

/// What a graph is but for the values of its constants, as a text: graphs with equal texts are alike and can be run
/// together. Empty when an array has no room for one more axis, which can be run alone only.
std::string structure(const Graph& graph);

/// Records into `to` what all graphs of `runs` compute, which must be alike: inputs, parameters and results have the
/// run as a leading axis, under the names that they have. Returns `outputs`, values of the first graph, as [run, ...].
std::vector<Var> over_runs(Graph& to, std::span<const Graph* const> runs, std::span<const Var> outputs);

}  // namespace saltus
