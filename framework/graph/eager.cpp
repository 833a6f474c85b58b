#include "graph/eager.h"

#include <type_traits>

#include "core/check.h"

namespace saltus {
namespace {

template <class Real>
struct Memory {
  std::vector<Real> values;
  std::vector<std::int32_t> indices;
};

template <class Real, class Map>
auto leaf(const Map& given, const Node& node) {
  const auto found = given.find(node.name);
  check(found != given.end(), "leaf '{}' is not given", node.name);
  check(static_cast<std::int64_t>(found->second.size()) == node.shape.size(), "leaf '{}' of shape {} got {} values", node.name,
        node.shape, found->second.size());
  return found->second;
}

template <class Real>
auto kernel_of(const OpDef& op, Kernels kernels) {
  if constexpr (std::is_same_v<Real, double>) {
    check(kernels == Kernels::reference, "{}: double has reference kernels only", op.name);
    return op.reference_f64;
  } else {
    return kernels == Kernels::fast && op.cpu ? op.cpu : op.reference_f32;
  }
}

/// The elements of a view's input that it shows.
template <class Real>
Memory<Real> view_of(const Memory<Real>& whole, std::int64_t first, std::int64_t size) {
  const auto part = [first, size](const auto& all) {
    using All = std::remove_cvref_t<decltype(all)>;
    return all.empty() ? All{} : All(all.begin() + first, all.begin() + first + size);
  };
  return {part(whole.values), part(whole.indices)};
}

template <class Real>
void compute(const Graph& graph, int id, std::vector<Memory<Real>>& memory, Kernels kernels) {
  const Node& node = graph.node(id);
  std::vector<Operand> in;
  std::vector<Var> vars;
  for (int i : node.inputs) {
    Memory<Real>& m = memory[static_cast<std::size_t>(i)];
    const bool index = graph.node(i).dtype == DType::i32;
    in.push_back({&graph.node(i).shape, index ? static_cast<void*>(m.indices.data()) : static_cast<void*>(m.values.data())});
    vars.push_back({const_cast<Graph*>(&graph), i});
  }
  if (node.op->view_offset) {
    const Memory<Real>& whole = memory[static_cast<std::size_t>(node.inputs[0])];
    memory[static_cast<std::size_t>(id)] = view_of(whole, node.op->view_offset({vars, node.attrs}), node.shape.size());
    return;
  }
  std::vector<Real>& out = memory[static_cast<std::size_t>(id)].values;
  out.resize(static_cast<std::size_t>(node.shape.size()));
  const auto kernel = kernel_of<Real>(*node.op, kernels);
  check(kernel != nullptr, "{}: no such kernel", node.op->name);
  kernel({in, {&node.shape, out.data()}, node.attrs});
}

}  // namespace

template <class Real>
std::vector<std::vector<Real>> evaluate(const Graph& graph, std::span<const Var> outputs, const Leaves<Real>& leaves, Kernels kernels) {
  std::vector<bool> needed(static_cast<std::size_t>(graph.size()), false);
  for (Var v : outputs) needed[static_cast<std::size_t>(v.id)] = true;
  for (int id = graph.size() - 1; id >= 0; --id) {
    if (!needed[static_cast<std::size_t>(id)]) continue;
    for (int in : graph.node(id).inputs) needed[static_cast<std::size_t>(in)] = true;
  }
  std::vector<Memory<Real>> memory(static_cast<std::size_t>(graph.size()));
  for (int id = 0; id < graph.size(); ++id) {
    if (!needed[static_cast<std::size_t>(id)]) continue;
    const Node& node = graph.node(id);
    Memory<Real>& m = memory[static_cast<std::size_t>(id)];
    if (is_constant(node)) {
      for (double v : graph.constant_values(id)) m.values.push_back(static_cast<Real>(v));
    } else if (node.op->leaf && node.dtype == DType::i32) {
      m.indices = leaf<Real>(leaves.indices, node);
    } else if (node.op->leaf) {
      m.values = leaf<Real>(leaves.values, node);
    } else {
      compute(graph, id, memory, kernels);
    }
  }
  std::vector<std::vector<Real>> out;
  for (Var v : outputs) out.push_back(memory[static_cast<std::size_t>(v.id)].values);
  return out;
}

template std::vector<std::vector<float>> evaluate(const Graph&, std::span<const Var>, const Leaves<float>&, Kernels);
template std::vector<std::vector<double>> evaluate(const Graph&, std::span<const Var>, const Leaves<double>&, Kernels);

}  // namespace saltus
