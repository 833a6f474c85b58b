#include "autodiff/grad.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "core/check.h"
#include "ops/ops.h"

namespace saltus {
namespace {

/// Gradients of `outputs` with respect to `wrt`, through nodes `first` and later; null where there is none.
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

/// The sums of what flows back to each node, by id.
class Cotangents {
 public:
  void add(int id, Var dy) {
    if (!dy) return;
    Var& sum = of_[id];
    sum = sum ? sum + dy : dy;
  }
  void set(int id, Var dy) { of_[id] = dy; }
  Var of(int id) const {
    const auto found = of_.find(id);
    return found == of_.end() ? Var{} : found->second;
  }

 private:
  std::unordered_map<int, Var> of_;
};

/// A stretch of nodes recorded a second time, from values that are equal to those it reads and not taken for them.
class Copy {
 public:
  Copy(Graph& graph, int first, int last) : graph_(graph), begin_(graph.size()) {
    for (int id = first; id <= last; ++id) {
      const Node& node = graph.node(id);
      if (node.op->leaf) continue;
      std::vector<Var> in;
      for (int input : node.inputs) in.push_back(of(input));
      const Scope scope(graph, id);
      of_[id] = graph.record(*node.op, in, node.attrs);
    }
  }
  int begin() const { return begin_; }
  /// By id of the original: node or what a node reads.
  const std::map<int, Var>& all() const { return of_; }

 private:
  Var of(int id) {
    const auto [found, unseen] = of_.try_emplace(id, Var{&graph_, id});
    if (unseen && found->second.dtype() == DType::f32) found->second = again(found->second);
    return found->second;
  }

  Graph& graph_;
  int begin_;
  std::map<int, Var> of_;
};

/// Walks back over nodes first..last as a copy of them that is computed when the walk comes here.
void walk_copy(Graph& graph, int first, int last, const std::vector<bool>& depends, Cotangents& cotangents) {
  bool reached = false;
  for (int id = first; id <= last; ++id) reached = reached || (depends[static_cast<std::size_t>(id)] && cotangents.of(id));
  if (!reached) return;
  std::vector<Var> outputs, dys, wrt;
  std::vector<int> originals;
  const Copy copy(graph, first, last);
  for (const auto& [id, v] : copy.all()) {
    if (!depends[static_cast<std::size_t>(id)]) continue;
    originals.push_back(id);
    wrt.push_back(v);
    if (const Var dy = cotangents.of(id); id >= first && dy) {
      outputs.push_back(v);
      dys.push_back(dy);
    }
  }
  const std::vector<Var> dx = vjp_down_to(copy.begin(), outputs, dys, wrt);
  for (std::size_t i = 0; i < dx.size(); ++i) {
    if (originals[i] < first) cotangents.add(originals[i], dx[i]);
    if (originals[i] >= first) cotangents.set(originals[i], dx[i]);
  }
}

std::vector<Var> vjp_down_to(int first, std::span<const Var> outputs, std::span<const Var> dys,
                             std::span<const Var> wrt) {
  check(!outputs.empty() && outputs.size() == dys.size(), "vjp: {} outputs but {} cotangents", outputs.size(),
        dys.size());
  Graph& graph = *outputs[0].graph;
  int last = 0;
  for (Var y : outputs) last = std::max(last, y.id);
  const std::vector<bool> depends = dependents(graph, wrt, first, last);

  Cotangents cotangents;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check(!dys[i] || dys[i].shape() == outputs[i].shape(), "vjp: cotangent {} has another shape than its output", i);
    cotangents.add(outputs[i].id, dys[i]);
  }

  const auto differentiate = [&](int id) {
    const Var dy = cotangents.of(id);
    if (!dy || !depends[static_cast<std::size_t>(id)] || graph.node(id).op->leaf) return;
    const std::vector<int> inputs = graph.node(id).inputs;
    if (std::none_of(inputs.begin(), inputs.end(), [&](int in) { return depends[static_cast<std::size_t>(in)]; }))
      return;
    const Scope scope(graph, id);  // listings show which layer a gradient belongs to
    const std::vector<Var> dx = input_cotangents(graph, id, dy);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (depends[static_cast<std::size_t>(inputs[i])]) cotangents.add(inputs[i], dx[i]);
    }
  };
  std::size_t stretches = graph.recomputed().size();
  for (int id = last; id >= first; --id) {
    while (stretches > 0 && graph.recomputed()[stretches - 1].first > id) --stretches;
    const Graph::Stretch s = stretches > 0 ? graph.recomputed()[stretches - 1] : Graph::Stretch{0, 0};
    const bool inside = id < s.last && s.first >= first && s.last <= last + 1;
    if (inside) walk_copy(graph, s.first, id, depends, cotangents);
    if (inside) id = s.first;
    if (!inside) differentiate(id);
  }

  std::vector<Var> out;
  for (Var v : wrt) out.push_back(v ? cotangents.of(v.id) : Var{});
  return out;
}

}  // namespace

std::vector<Var> vjp(std::span<const Var> outputs, std::span<const Var> cotangents, std::span<const Var> wrt) {
  std::vector<Var> out = vjp_down_to(0, outputs, cotangents, wrt);
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (wrt[i] && !out[i]) out[i] = broadcast_to(wrt[i].graph->constant(0), wrt[i].shape());
  }
  return out;
}

std::vector<Var> grad(Var loss, std::span<const Var> wrt) {
  check(loss && loss.shape().rank() == 0, "grad: the loss must be a scalar, got shape {}", loss ? loss.shape().str() : "(empty)");
  const Var one = loss.graph->constant(1);
  return vjp(std::span(&loss, 1), std::span(&one, 1), wrt);
}

}  // namespace saltus
