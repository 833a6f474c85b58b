#include "graph/simplify.h"

#include <bit>
#include <map>
#include <tuple>

#include "core/check.h"

namespace saltus {
namespace {

using Bits = std::vector<std::uint64_t>;
using Key = std::tuple<const OpDef*, std::vector<int>, std::array<std::int64_t, Shape::max_rank>, Bits, std::string>;

/// Numbers by their bits: NaN equals itself here, and 0 is not -0.
Bits bits_of(std::span<const double> values) {
  Bits bits;
  for (double v : values) bits.push_back(std::bit_cast<std::uint64_t>(v));
  return bits;
}

Key key_of(const Graph& graph, int id, const std::vector<int>& canonical) {
  const Node& node = graph.node(id);
  std::vector<int> inputs;
  for (int in : node.inputs) inputs.push_back(canonical[static_cast<std::size_t>(in)]);
  if (is_constant(node)) return {node.op, inputs, {}, bits_of(graph.constant_values(id)), node.shape.str()};
  // Leaves are told apart by their names; other nodes' names are scopes and do not matter.
  return {node.op, inputs, node.attrs.i, bits_of(node.attrs.f), node.op->leaf ? node.name : ""};
}

}  // namespace

Simplified simplify(const Graph& graph, std::span<const Var> outputs) {
  Simplified out;
  out.canonical.resize(static_cast<std::size_t>(graph.size()));
  std::map<Key, int> first;
  for (int id = 0; id < graph.size(); ++id) {
    out.canonical[static_cast<std::size_t>(id)] = first.try_emplace(key_of(graph, id, out.canonical), id).first->second;
  }

  std::vector<bool> needed(static_cast<std::size_t>(graph.size()), false);
  for (Var v : outputs) {
    check(v.graph == &graph, "a plan's output belongs to another graph");
    needed[static_cast<std::size_t>(out.canonical[static_cast<std::size_t>(v.id)])] = true;
  }
  for (int id = graph.size() - 1; id >= 0; --id) {
    if (!needed[static_cast<std::size_t>(id)]) continue;
    for (int in : graph.node(id).inputs) needed[static_cast<std::size_t>(out.canonical[static_cast<std::size_t>(in)])] = true;
  }
  for (int id = 0; id < graph.size(); ++id) {
    if (needed[static_cast<std::size_t>(id)]) out.order.push_back(id);
  }
  return out;
}

}  // namespace saltus
