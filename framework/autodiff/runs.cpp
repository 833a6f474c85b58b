#include "autodiff/runs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "core/check.h"
#include "ops/ops.h"

namespace saltus {
namespace {

/// The state of one merging. A value that all runs share, being made of constants that they share, has [1, ...] as its
/// shape.
struct Merger {
  Graph& to;
  std::span<const Graph* const> runs;
  std::vector<Var> merged = {};  // by node of the runs' graphs

  std::int64_t n_runs() const { return static_cast<std::int64_t>(runs.size()); }
  Shape with_runs(const Shape& shape) const { return shape.inserted(0, n_runs()); }
  bool is_shared(Var v) const { return v.shape()[0] == 1; }

  Var constant(int id, const Shape& shape) const {
    const auto first = runs[0]->constant_values(id);
    std::vector<double> all(first.begin(), first.end());
    const bool same = std::ranges::all_of(
        runs, [&](const Graph* run) { return std::ranges::equal(run->constant_values(id), first); });
    if (same) return to.constant(std::move(all), shape.inserted(0, 1));
    for (const Graph* run : runs.subspan(1))
      all.insert(all.end(), run->constant_values(id).begin(), run->constant_values(id).end());
    return to.constant(std::move(all), with_runs(shape));
  }

  /// A value of one run, which the shared ones are for every run.
  Var of_run(Var value, std::int64_t run) const {
    if (!is_shared(value)) value = slice(value, 0, run, run + 1);
    return reshape(value, value.shape().without(0));
  }

  Var call_for(const Node& node, std::span<const Var> in, std::int64_t run) const {
    std::vector<Var> own;
    for (Var v : in) own.push_back(of_run(v, run));
    const Var y = to.record(*node.op, own, node.attrs);
    return reshape(y, y.shape().inserted(0, 1));
  }

  Var call(const Node& node) const {
    std::vector<Var> in;
    for (int i : node.inputs) in.push_back(merged[static_cast<std::size_t>(i)]);
    if (std::ranges::all_of(in, [this](Var v) { return is_shared(v); })) return call_for(node, in, 0);
    if (node.op->over_runs) return node.op->over_runs(in, node.attrs);
    std::vector<Var> parts;
    for (std::int64_t run = 0; run < n_runs(); ++run) parts.push_back(call_for(node, in, run));
    return concat(parts, 0);
  }

  Var value(int id) const {
    const Node& node = runs[0]->node(id);
    if (is_constant(node)) return constant(id, node.shape);
    if (is_input(node)) return to.input(node.name, with_runs(node.shape), node.dtype);
    if (is_param(node)) return to.param(node.name, with_runs(node.shape));
    const Scope scope(to, node.name);
    const Var y = call(node);
    check(y.shape() == with_runs(node.shape) || y.shape() == node.shape.inserted(0, 1),
          "{} over {} runs makes {} of {}", node.op->name, n_runs(), y.shape(), node.shape);
    return y;
  }
};

}  // namespace

std::string structure(const Graph& graph) {
  std::string text;
  for (int id = 0; id < graph.size(); ++id) {
    const Node& node = graph.node(id);
    if (node.shape.rank() == Shape::max_rank) return "";
    fmt::format_to(std::back_inserter(text), "{} {} {} {} {} {} {}\n", node.op->name, fmt::join(node.inputs, ","),
                   node.shape, node.dtype == DType::f32 ? "f32" : "i32", fmt::join(node.attrs.i, ","),
                   fmt::join(node.attrs.f, ","), node.name);
  }
  return text;
}

std::vector<Var> over_runs(Graph& to, std::span<const Graph* const> runs, std::span<const Var> outputs) {
  const std::string first = runs.empty() ? "" : structure(*runs[0]);
  check(!first.empty() && std::ranges::all_of(runs, [&](const Graph* run) { return structure(*run) == first; }),
        "only runs that are alike can be put together");
  Merger merger{to, runs};
  for (int id = 0; id < runs[0]->size(); ++id) merger.merged.push_back(merger.value(id));
  std::vector<Var> all;
  for (Var output : outputs) {
    const Var v = merger.merged[static_cast<std::size_t>(output.id)];
    all.push_back(merger.is_shared(v) ? broadcast_to(v, merger.with_runs(output.shape())) : v);
  }
  return all;
}

}  // namespace saltus
