#include "graph/graph.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "core/check.h"

namespace saltus {
namespace {

const OpDef input_op = {.name = "input", .shape = nullptr, .leaf = true};
const OpDef param_op = {.name = "param", .shape = nullptr, .leaf = true};
const OpDef constant_op = {.name = "constant", .shape = nullptr, .leaf = true};

/// Of a stretch that still grows.
constexpr int open_end = std::numeric_limits<int>::max();

std::string joined(const std::string& scope, std::string_view name) {
  return scope.empty() ? std::string(name) : fmt::format("{}.{}", scope, name);
}

std::string shapes_of(std::span<const Var> in) {
  std::vector<std::string> shapes;
  for (Var v : in) shapes.push_back(v.shape().str());
  return fmt::format("{}", fmt::join(shapes, ", "));
}

}  // namespace

bool is_input(const Node& node) { return node.op == &input_op; }
bool is_param(const Node& node) { return node.op == &param_op; }
bool is_constant(const Node& node) { return node.op == &constant_op; }

Scope::Scope(Graph& graph, std::string_view name) : graph_(graph), outer_(graph.scope_) {
  graph.scope_ = joined(outer_, name);
}

Scope::Scope(Graph& graph, int id) : graph_(graph), outer_(graph.scope_) {
  const Node& node = graph.node(id);
  graph.scope_ = node.op->leaf ? "" : node.name;
}

Recomputed::Recomputed(Graph& graph) : graph_(graph) {
  const std::vector<Graph::Stretch>& all = graph.recomputed_;
  check(all.empty() || all.back().last <= graph.size(), "a stretch that is computed again begins inside another");
  graph.recomputed_.push_back({graph.size(), open_end});
}

Recomputed::~Recomputed() { graph_.recomputed_.back().last = graph_.size(); }

Var Graph::append(Node node) {
  nodes_.push_back(std::move(node));
  return {this, size() - 1};
}

Var Graph::leaf(const OpDef& op, std::string name, Shape shape, DType dtype) {
  if (const auto found = named_.find(name); found != named_.end()) {
    const Node& before = node(found->second);
    check(before.op == &op && before.shape == shape && before.dtype == dtype, "{} '{}' of shape {} is recorded as {} of shape {} already", op.name,
          name, shape, before.op->name, before.shape);
    return {this, found->second};
  }
  const Var v = append({&op, {}, {}, shape, dtype, name});
  named_.emplace(std::move(name), v.id);
  return v;
}

Var Graph::input(std::string name, Shape shape, DType dtype) { return leaf(input_op, std::move(name), shape, dtype); }

Var Graph::param(std::string name, Shape shape) { return leaf(param_op, std::move(name), shape, DType::f32); }

Var Graph::constant(std::vector<double> values, Shape shape) {
  check(static_cast<std::int64_t>(values.size()) == shape.size(), "constant of shape {} got {} values", shape, values.size());
  const Var v = append({&constant_op, {}, {}, shape, DType::f32, ""});
  constants_[v.id] = std::move(values);
  return v;
}

Var Graph::record(const OpDef& op, std::span<const Var> in, const Attrs& attrs) {
  Node node{&op, {}, attrs, {}, DType::f32, scope_};
  const std::string where = scope_.empty() ? std::string(op.name) : fmt::format("{}: {}", scope_, op.name);
  for (std::size_t i = 0; i < in.size(); ++i) {
    check(in[i].graph == this, "{}: input {} belongs to another graph", where, i);
    const DType want = (op.index_inputs >> i & 1u) ? DType::i32 : DType::f32;
    check(op.view_offset || in[i].dtype() == want, "{}: input {} must be {}", where, i, want == DType::i32 ? "i32 indices" : "f32");
    node.inputs.push_back(in[i].id);
  }
  if (op.view_offset) node.dtype = in[0].dtype();
  try {
    node.shape = op.shape({in, attrs});
  } catch (const Error& e) {
    throw Error(fmt::format("{}: {} (inputs {})", where, e.what(), shapes_of(in)));
  }
  return append(std::move(node));
}

void Graph::tap(std::string_view name, Var x) {
  const std::string full = joined(scope_, name);
  for (const auto& [existing, var] : taps_) check(existing != full, "tap '{}' is recorded twice", full);
  taps_.emplace_back(full, x);
}

Var Graph::tapped(std::string_view name) const {
  std::vector<std::string> names;
  for (const auto& [existing, var] : taps_) {
    if (existing == name) return var;
    names.push_back(existing);
  }
  throw Error(fmt::format("no tap '{}'; the graph has: {}", name, fmt::join(names, ", ")));
}

}  // namespace saltus
