#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/shape.h"

namespace saltus {

class Graph;

/// A handle on one value of a graph: what an expression in model code is. Cheap to copy; valid as long as its graph.
struct Var {
  Graph* graph = nullptr;
  int id = -1;

  const Shape& shape() const;
  DType dtype() const;
  explicit operator bool() const { return graph != nullptr; }
  bool operator==(const Var&) const = default;
};

/// An op's constants, frozen when it is recorded. What each number means is said in the op's file.
struct Attrs {
  std::array<std::int64_t, Shape::max_rank> i{};
  std::array<double, 2> f{};
  bool operator==(const Attrs&) const = default;
};

/// What a shape rule sees.
struct ShapeArgs {
  std::span<const Var> in;
  const Attrs& attrs;
  const Shape& shape(int i) const { return in[static_cast<std::size_t>(i)].shape(); }
};

/// What a gradient rule sees: the node's inputs, its output, and the cotangent of its output (of the output's shape).
struct VjpArgs {
  std::span<const Var> in;
  Var out;
  Var dy;
  const Attrs& attrs;
};

/// One array as a kernel sees it: contiguous, row-major.
struct Operand {
  const Shape* shape = nullptr;
  void* data = nullptr;
};

/// What a kernel sees. `Real` is the type of every f32 array: float, or double in reference runs.
template <class Real>
struct KernelArgs {
  std::span<const Operand> in;
  Operand out;
  const Attrs& attrs;

  const Real* f(int i) const { return static_cast<const Real*>(in[static_cast<std::size_t>(i)].data); }
  const std::int32_t* ids(int i) const { return static_cast<const std::int32_t*>(in[static_cast<std::size_t>(i)].data); }
  Real* y() const { return static_cast<Real*>(out.data); }
  const Shape& shape(int i) const { return *in[static_cast<std::size_t>(i)].shape; }
  const Shape& shape() const { return *out.shape; }
};

/// Everything saltus knows about one operation. A node points at its OpDef; there is no enum of ops and no switch over them.
/// Every op has one output, and every kernel overwrites it whole and is single-threaded.
struct OpDef {
  const char* name;
  /// The output's shape; throws Error on inputs that do not fit. The graph puts the scope and the op's name in front.
  Shape (*shape)(const ShapeArgs&);
  /// Cotangents of the inputs, one a input, made of graph ops so that they can be differentiated again. A null Var means zero.
  /// Null for ops that are differentiated through decompose().
  std::vector<Var> (*vjp)(const VjpArgs&) = nullptr;
  /// The op's meaning, written to be read. Null for leaves, views and ops that have decompose().
  void (*reference_f32)(const KernelArgs<float>&) = nullptr;
  void (*reference_f64)(const KernelArgs<double>&) = nullptr;
  /// The fast kernel; null when the reference is as good.
  void (*cpu)(const KernelArgs<float>&) = nullptr;
  /// A fused op's meaning in plain ops: its slow path, its test oracle, and its gradient of any order.
  Var (*decompose)(std::span<const Var> in, const Attrs&) = nullptr;
  /// The op for several runs at once (autodiff/runs.h): every operand has the runs as a leading axis, [run, ...], or [1, ...] where all runs
  /// share it. Run r of the output has the very bits that the op gives for run r alone. Null: runs are taken one after the other.
  Var (*over_runs)(std::span<const Var> in, const Attrs& attrs) = nullptr;
  /// Floating-point operations of one call, for plans and floors; null means one an output element.
  double (*flops)(const ShapeArgs&, const Shape& out) = nullptr;
  /// Which inputs (bit i) hold i32 indices; all others are f32.
  unsigned index_inputs = 0;
  /// Output element i depends on element i of the inputs of the same shape only, so the output may overwrite such an input.
  bool inplace = false;
  /// The output is input 0's memory under another shape, from element view_offset() on, f32 or i32: no instruction is run for it.
  std::int64_t (*view_offset)(const ShapeArgs&) = nullptr;
  /// Value comes from outside: an input, a parameter or a constant.
  bool leaf = false;
};

}  // namespace saltus
