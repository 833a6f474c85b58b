#include "graph/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "core/check.h"
#include "graph/simplify.h"

namespace saltus {
namespace {

std::size_t bytes_of(const Node& node) { return static_cast<std::size_t>(node.shape.size()) * 4; }

void copy_kernel(const KernelArgs<float>& k) { std::memcpy(k.y(), k.f(0), static_cast<std::size_t>(k.shape().size()) * 4); }

}  // namespace

/// The compile-time state of a plan. A value's memory is (root, offset): views share their input's root.
struct Plan::Compiler {
  const Graph& graph;
  Plan& plan;
  const Simplified simple;
  std::vector<int> root;
  std::vector<std::int64_t> offset;      // in elements, from the root
  std::vector<std::size_t> last_use;     // by root: position in simple.order
  std::vector<std::byte*> external;      // by root: memory outside the arena, or null
  std::vector<std::size_t> arena_offset; // by root
  std::vector<bool> keep;                // by root: lives until the next run
  OffsetAllocator allocator;

  Compiler(const Graph& g, Plan& p, std::span<const Output> outputs)
      : graph(g), plan(p), simple(simplify(g, outputs_of(outputs))), root(n()), offset(n(), 0), last_use(n(), 0), external(n()),
        arena_offset(n(), 0), keep(n(), false) {}

  std::size_t n() const { return static_cast<std::size_t>(graph.size()); }
  static std::vector<Var> outputs_of(std::span<const Output> outputs) {
    std::vector<Var> values;
    for (const Output& o : outputs) values.push_back(o.value);
    return values;
  }
  const Node& node(int id) const { return graph.node(id); }
  int canonical(int id) const { return simple.canonical[static_cast<std::size_t>(id)]; }
  std::vector<Var> inputs_of(int id) const {
    std::vector<Var> in;
    for (int input : node(id).inputs) in.push_back({const_cast<Graph*>(&graph), canonical(input)});
    return in;
  }

  void check_kernels() const {
    std::set<std::string> missing;
    for (int id : simple.order) {
      const OpDef& op = *node(id).op;
      if (!op.leaf && !op.view_offset && !op.cpu && !op.reference_f32) missing.insert(op.name);
    }
    check(missing.empty(), "no kernel for: {}", fmt::join(missing, ", "));
  }

  void find_roots_and_lifetimes() {
    for (std::size_t at = 0; at < simple.order.size(); ++at) {
      const int id = simple.order[at];
      const auto i = static_cast<std::size_t>(id);
      root[i] = id;
      const std::vector<Var> in = inputs_of(id);
      if (node(id).op->view_offset) {
        const auto from = static_cast<std::size_t>(in[0].id);
        root[i] = root[from];
        offset[i] = offset[from] + node(id).op->view_offset({in, node(id).attrs});
      }
      for (Var v : in) last_use[static_cast<std::size_t>(root[static_cast<std::size_t>(v.id)])] = at;
    }
  }

  /// An output goes straight to its destination when its root is a computed value of the same size that no other output claimed.
  void claim_destinations(std::span<const Output> outputs) {
    for (const Output& o : outputs) {
      const int id = canonical(o.value.id);
      const auto r = static_cast<std::size_t>(root[static_cast<std::size_t>(id)]);
      keep[r] = true;
      const bool whole = node(static_cast<int>(r)).shape.size() == node(id).shape.size();
      if (o.to && whole && !node(static_cast<int>(r)).op->leaf && !external[r]) external[r] = reinterpret_cast<std::byte*>(o.to);
    }
  }

  void place_leaves(const ParamLookup& params) {
    for (int id : simple.order) {
      const Node& leaf = node(id);
      if (!leaf.op->leaf) continue;
      const auto i = static_cast<std::size_t>(id);
      keep[i] = true;
      if (is_param(leaf)) {
        external[i] = reinterpret_cast<std::byte*>(params(leaf.name, leaf.shape));
        check(external[i] != nullptr, "parameter '{}' has no memory", leaf.name);
      } else {
        arena_offset[i] = allocator.take(bytes_of(leaf));
      }
    }
    plan.scratch_begin_ = allocator.high_water();
  }

  /// An in-place op may overwrite an input of its own shape that dies here and that nobody outside looks at.
  int reusable_input(int id, std::size_t at) const {
    if (!node(id).op->inplace || external[static_cast<std::size_t>(id)]) return -1;
    const std::vector<Var> in = inputs_of(id);
    for (Var v : in) {
      const auto r = static_cast<std::size_t>(root[static_cast<std::size_t>(v.id)]);
      const bool whole = v.shape() == node(id).shape && node(static_cast<int>(r)).shape.size() == v.shape().size();
      // Another operand that sees the same memory in another shape would be read after being overwritten.
      const bool alone = std::all_of(in.begin(), in.end(), [&](Var other) {
        return root[static_cast<std::size_t>(other.id)] != static_cast<int>(r) || other.shape() == v.shape();
      });
      if (whole && alone && last_use[r] == at && !keep[r] && !external[r]) return static_cast<int>(r);
    }
    return -1;
  }

  void place_values() {
    std::vector<bool> handed_on(n(), false);  // by root: an in-place op took its memory over
    for (std::size_t at = 0; at < simple.order.size(); ++at) {
      const int id = simple.order[at];
      const auto i = static_cast<std::size_t>(id);
      const Node& value = node(id);
      if (!value.op->leaf && root[i] == id && !external[i]) {
        if (const int from = reusable_input(id, at); from >= 0) {
          arena_offset[i] = arena_offset[static_cast<std::size_t>(from)];
          handed_on[static_cast<std::size_t>(from)] = true;
        } else {
          arena_offset[i] = allocator.take(bytes_of(value));
        }
      }
      for (int r : dying_roots(at)) {
        if (!handed_on[static_cast<std::size_t>(r)]) allocator.give_back(arena_offset[static_cast<std::size_t>(r)], bytes_of(node(r)));
      }
    }
  }

  /// Roots in the arena that are read for the last time at position `at`.
  std::vector<int> dying_roots(std::size_t at) const {
    std::vector<int> dying;
    const int id = simple.order[at];
    const auto consider = [&](int r) {
      const auto i = static_cast<std::size_t>(r);
      if (last_use[i] == at && !keep[i] && !external[i] && std::find(dying.begin(), dying.end(), r) == dying.end()) dying.push_back(r);
    };
    for (Var v : inputs_of(id)) consider(root[static_cast<std::size_t>(v.id)]);
    return dying;
  }

  void* address(int id) const {
    const auto i = static_cast<std::size_t>(id), r = static_cast<std::size_t>(root[i]);
    std::byte* base = external[r] ? external[r] : plan.in_arena(arena_offset[r]);
    return base + offset[i] * 4;
  }

  Operand operand(int id) {
    plan.shapes_.push_back(std::make_unique<Shape>(node(id).shape));
    return {plan.shapes_.back().get(), address(id)};
  }

  void emit() {
    for (std::size_t at = 0; at < simple.order.size(); ++at) {
      const int id = simple.order[at];
      const Node& value = node(id);
      if (value.op->leaf || value.op->view_offset) continue;
      const std::vector<Var> in = inputs_of(id);
      Instruction ins{value.op, value.op->cpu ? value.op->cpu : value.op->reference_f32, {}, operand(id), value.attrs, value.name, 0, 0, {}};
      ins.flops = value.op->flops ? value.op->flops({in, value.attrs}, value.shape) : static_cast<double>(value.shape.size());
      ins.bytes = static_cast<double>(bytes_of(value));
      for (Var v : in) {
        ins.in.push_back(operand(v.id));
        ins.bytes += static_cast<double>(bytes_of(node(v.id)));
      }
      for (int r : dying_roots(at)) {
        if (arena_offset[static_cast<std::size_t>(r)] != arena_offset[static_cast<std::size_t>(id)] || external[static_cast<std::size_t>(id)]) {
          ins.dying.push_back({arena_offset[static_cast<std::size_t>(r)], bytes_of(node(r))});
        }
      }
      plan.instructions_.push_back(std::move(ins));
    }
  }

  void fill_leaves() {
    for (int id : simple.order) {
      const Node& leaf = node(id);
      if (is_input(leaf)) plan.inputs_.emplace(leaf.name, address(id));
      if (!is_constant(leaf)) continue;
      const auto values = graph.constant_values(id);
      std::transform(values.begin(), values.end(), static_cast<float*>(address(id)), [](double v) { return static_cast<float>(v); });
    }
  }

  void emit_outputs(std::span<const Output> outputs) {
    for (const Output& o : outputs) {
      const int id = canonical(o.value.id);
      void* from = address(id);
      if (o.to && from != o.to) {
        Operand to = operand(id);
        to.data = o.to;
        const double bytes = 2.0 * static_cast<double>(bytes_of(node(id)));
        plan.instructions_.push_back({nullptr, copy_kernel, {operand(id)}, to, {}, "", 0, bytes, {}});
        from = o.to;
      }
      plan.outputs_.push_back(from);
    }
  }
};

Plan::Plan(const Graph& graph, std::span<const Output> outputs, const ParamLookup& params, std::shared_ptr<AlignedBlock> scratch)
    : scratch_(std::move(scratch)) {
  Compiler c(graph, *this, outputs);
  c.check_kernels();
  c.find_roots_and_lifetimes();
  c.claim_destinations(outputs);
  c.place_leaves(params);
  c.place_values();
  lasting_ = AlignedBlock(scratch_begin_);
  scratch_bytes_ = c.allocator.high_water() - scratch_begin_;
  if (!scratch_) scratch_ = std::make_shared<AlignedBlock>(scratch_bytes_);
  check(scratch_->bytes() >= scratch_bytes_, "a plan needs {} bytes of scratch memory and is given {}", scratch_bytes_, scratch_->bytes());
  c.emit();
  c.fill_leaves();
  c.emit_outputs(outputs);
}

void Plan::run() const {
  for (const Instruction& ins : instructions_) ins.kernel({ins.in, ins.out, ins.attrs});
}

void Plan::run_poisoned() {
  const auto poison = [this](std::size_t offset, std::size_t bytes) {
    std::fill_n(reinterpret_cast<float*>(in_arena(offset)), bytes / 4, std::numeric_limits<float>::quiet_NaN());
  };
  if (scratch_bytes_ > 0) poison(scratch_begin_, scratch_bytes_);
  for (const Instruction& ins : instructions_) {
    ins.kernel({ins.in, ins.out, ins.attrs});
    for (const Instruction::Range& dead : ins.dying) poison(dead.offset, dead.bytes);
  }
}

std::string Plan::first_nonfinite() const {
  for (const Instruction& ins : instructions_) {
    ins.kernel({ins.in, ins.out, ins.attrs});
    const auto* y = static_cast<const float*>(ins.out.data);
    const auto* bad = std::find_if(y, y + ins.out.shape->size(), [](float v) { return !std::isfinite(v); });
    if (bad == y + ins.out.shape->size()) continue;
    return fmt::format("{}{}{} makes {} at element {} of {}", ins.op ? ins.op->name : "copy", ins.scope.empty() ? "" : " in ", ins.scope, *bad,
                       bad - y, ins.out.shape->str());
  }
  return "";
}

void* Plan::input(std::string_view name) const {
  const auto found = inputs_.find(name);
  return found == inputs_.end() ? nullptr : found->second;
}

}  // namespace saltus
