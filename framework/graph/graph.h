#pragma once
#include <deque>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/op.h"

namespace saltus {

/// One recorded operation and the value it makes.
struct Node {
  const OpDef* op;
  std::vector<int> inputs;  // ids of earlier nodes
  Attrs attrs;
  Shape shape;
  DType dtype;
  std::string name;  // a leaf's own name; for other nodes the scope it was recorded in, for messages and listings
};

/// An append-only list of nodes. A node's inputs are earlier nodes, so the order of recording is a topological order: no cycles,
/// no ownership puzzle, and differentiation is a loop backwards that appends more nodes.
class Graph {
 public:
  Graph() = default;
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// A value given anew for every run: a batch's tokens, labels, a temperature. Asking again for the same name gives the same node;
  /// another shape or type throws.
  Var input(std::string name, Shape shape, DType dtype = DType::f32);
  /// A value that training changes; `name` is its view's name in the ParamStore. Asking again for the same name gives the same node,
  /// so that gradients can be asked for by name; another shape throws, and so does an input's name.
  Var param(std::string name, Shape shape);
  /// A value frozen at record time, row-major.
  Var constant(std::vector<double> values, Shape shape);
  Var constant(double value) { return constant({value}, Shape{}); }

  /// Appends a node after applying the op's shape rule; throws Error naming scope, op and shapes. Ops call it, models do not.
  Var record(const OpDef& op, std::span<const Var> in, const Attrs& attrs = {});

  /// Gives `x` a name by which a plan can be asked for it ("blocks.0.attn.pattern", under the current scope). Costs nothing in plans
  /// that do not ask.
  void tap(std::string_view name, Var x);
  /// Every tap by full name, in order of recording.
  const std::vector<std::pair<std::string, Var>>& taps() const { return taps_; }
  /// The tap called `name`; throws, listing what there is.
  Var tapped(std::string_view name) const;

  int size() const { return static_cast<int>(nodes_.size()); }
  const Node& node(int id) const { return nodes_[static_cast<std::size_t>(id)]; }
  std::span<const double> constant_values(int id) const { return constants_.at(id); }

  /// Ids [first, last) that were recorded while a Recomputed lived.
  struct Stretch {
    int first, last;
  };
  /// In order of recording; none overlaps another.
  const std::vector<Stretch>& recomputed() const { return recomputed_; }

 private:
  friend class Scope;
  friend class Recomputed;
  Var append(Node node);
  Var leaf(const OpDef& op, std::string name, Shape shape, DType dtype);

  std::deque<Node> nodes_;  // a deque, so that shapes handed out by reference stay where they are
  std::map<int, std::vector<double>> constants_;
  std::map<std::string, int, std::less<>> named_;  // inputs and parameters
  std::vector<std::pair<std::string, Var>> taps_;
  std::vector<Stretch> recomputed_;
  std::string scope_;
};

/// Names what is recorded while it lives: Scope s(graph, "blocks.0") nests inside the scope around it.
class Scope {
 public:
  Scope(Graph& graph, std::string_view name);
  /// The scope that node `id` was recorded in, instead of the present one.
  Scope(Graph& graph, int id);
  ~Scope() { graph_.scope_ = std::move(outer_); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  Graph& graph_;
  std::string outer_;
};

/// What is recorded while it lives is not kept for a gradient ("checkpointing"): grad() computes as much of it as it
/// needs a second time, from what was there before. Of the stretch only what later nodes read is kept. Throws inside
/// another one.
class Recomputed {
 public:
  explicit Recomputed(Graph& graph);
  ~Recomputed();
  Recomputed(const Recomputed&) = delete;
  Recomputed& operator=(const Recomputed&) = delete;

 private:
  Graph& graph_;
};

/// True for nodes made by Graph::input, Graph::param and Graph::constant.
bool is_input(const Node& node);
bool is_param(const Node& node);
bool is_constant(const Node& node);

inline const Shape& Var::shape() const { return graph->node(id).shape; }
inline DType Var::dtype() const { return graph->node(id).dtype; }

}  // namespace saltus
