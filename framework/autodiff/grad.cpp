#include "autodiff/grad.h"

#include <algorithm>

#include "core/check.h"
#include "ops/ops.h"

namespace saltus {
namespace {

std::vector<Var> vjp_down_to(int first, std::span<const Var> outputs, std::span<const Var> cotangents, std::span<const Var> wrt);

/// The cotangents of one node's inputs. A fused op without a rule of its own is differentiated through its decomposition, whose
/// nodes are appended here: they are the forward pass over again, which dead-code elimination and reuse of equal nodes keep cheap.
std::vector<Var> input_cotangents(Graph& graph, int id, Var dy) {
  const Node& node = graph.node(id);
  std::vector<Var> in;
  for (int input : node.inputs) in.push_back({&graph, input});
  if (node.op->vjp) return node.op->vjp({in, {&graph, id}, dy, node.attrs});
  check(node.op->decompose != nullptr, "{}: has no gradient rule", node.op->name);
  // Only the new nodes are walked: where one input is computed from another, that path belongs to the caller's walk.
  const int first = graph.size();
  const Var meaning = node.op->decompose(in, node.attrs);
  std::vector<Var> dx = vjp_down_to(first, std::span(&meaning, 1), std::span(&dy, 1), in);
  // An input given twice got its whole cotangent at both places: count it once.
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (std::find(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(i), in[i]) != in.begin() + static_cast<std::ptrdiff_t>(i)) dx[i] = {};
  }
  return dx;
}

/// depends[id]: whether node `id` is one of `wrt` or, through nodes first..last, reads one.
std::vector<bool> dependents(const Graph& graph, std::span<const Var> wrt, int first, int last) {
  std::vector<bool> depends(static_cast<std::size_t>(last + 1), false);
  for (Var v : wrt) {
    if (v && v.id <= last) depends[static_cast<std::size_t>(v.id)] = true;
  }
  for (int id = first; id <= last; ++id) {
    for (int input : graph.node(id).inputs) {
      if (depends[static_cast<std::size_t>(input)]) depends[static_cast<std::size_t>(id)] = true;
    }
  }
  return depends;
}

std::vector<Var> vjp_down_to(int first, std::span<const Var> outputs, std::span<const Var> cotangents, std::span<const Var> wrt) {
  check(!outputs.empty() && outputs.size() == cotangents.size(), "vjp: {} outputs but {} cotangents", outputs.size(),
        cotangents.size());
  Graph& graph = *outputs[0].graph;
  int last = 0;
  for (Var y : outputs) last = std::max(last, y.id);
  const std::vector<bool> depends = dependents(graph, wrt, first, last);

  std::vector<Var> cotangent(static_cast<std::size_t>(last + 1));
  const auto add = [&cotangent](int id, Var dy) {
    Var& sum = cotangent[static_cast<std::size_t>(id)];
    if (dy) sum = sum ? sum + dy : dy;
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check(!cotangents[i] || cotangents[i].shape() == outputs[i].shape(), "vjp: cotangent {} has another shape than its output", i);
    add(outputs[i].id, cotangents[i]);
  }

  for (int id = last; id >= first; --id) {
    const Var dy = cotangent[static_cast<std::size_t>(id)];
    if (!dy || !depends[static_cast<std::size_t>(id)] || graph.node(id).op->leaf) continue;
    const std::vector<int> inputs = graph.node(id).inputs;
    if (std::none_of(inputs.begin(), inputs.end(), [&](int in) { return depends[static_cast<std::size_t>(in)]; })) continue;
    const Scope scope(graph, id);  // listings show which layer a gradient belongs to
    const std::vector<Var> dx = input_cotangents(graph, id, dy);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (depends[static_cast<std::size_t>(inputs[i])]) add(inputs[i], dx[i]);
    }
  }

  std::vector<Var> out;
  for (Var v : wrt) {
    if (!v) {
      out.push_back({});
      continue;
    }
    const Var dv = v.id <= last ? cotangent[static_cast<std::size_t>(v.id)] : Var{};
    out.push_back(dv ? dv : broadcast_to(graph.constant(0), v.shape()));
  }
  return out;
}

}  // namespace

std::vector<Var> vjp(std::span<const Var> outputs, std::span<const Var> cotangents, std::span<const Var> wrt) {
  return vjp_down_to(0, outputs, cotangents, wrt);
}

std::vector<Var> grad(Var loss, std::span<const Var> wrt) {
  check(loss && loss.shape().rank() == 0, "grad: the loss must be a scalar, got shape {}", loss ? loss.shape().str() : "(empty)");
  const Var one = loss.graph->constant(1);
  return vjp(std::span(&loss, 1), std::span(&one, 1), wrt);
}

}  // namespace saltus
