#pragma once
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "kernels/vector.h"
#include "ops/ops.h"

/// What the op files share; not for models.
namespace saltus::ops {

inline Shape same_shape(const ShapeArgs& a) { return a.shape(0); }

/// y[i] = f(x[i])
template <class Real, class F>
void map(const KernelArgs<Real>& k, F f) {
  const Real* x = k.f(0);
  Real* y = k.y();
  for (std::int64_t i = 0, n = k.shape().size(); i < n; ++i) y[i] = f(x[i]);
}

template <void (*loop)(const float*, float*, std::size_t)>
void map_cpu(const KernelArgs<float>& k) {
  loop(k.f(0), k.y(), static_cast<std::size_t>(k.shape().size()));
}

template <const OpDef& op>
Var record(std::initializer_list<Var> in, const Attrs& attrs = {}) {
  check(in.begin()->graph != nullptr, "{}: the first operand is empty", op.name);
  return in.begin()->graph->record(op, std::span<const Var>(in.begin(), in.size()), attrs);
}

// ---- OpDef::over_runs

/// All operands with the runs as their leading axis, what they share repeated.
std::vector<Var> for_each_run(std::span<const Var> in);

/// Of ops that treat all leading axes alike: the op as it is.
template <const OpDef& op>
Var as_it_is(std::span<const Var> in, const Attrs& attrs) {
  return in[0].graph->record(op, for_each_run(in), attrs);
}

/// Of ops whose leading axes broadcast by NumPy's rule: the op on operands of one rank.
template <const OpDef& op>
Var by_broadcast(std::span<const Var> in, const Attrs& attrs) {
  int rank = 0;
  for (Var v : in) rank = std::max(rank, v.shape().rank());
  std::vector<Var> aligned;
  for (Var v : in) {
    Shape shape = v.shape();
    while (shape.rank() < rank) shape = shape.inserted(1, 1);
    aligned.push_back(reshape(v, shape));
  }
  return in[0].graph->record(op, aligned, attrs);
}

/// Of ops whose attrs.i[0] is an axis, which is one further on.
template <const OpDef& op>
Var on_next_axis(std::span<const Var> in, const Attrs& attrs) {
  Attrs moved = attrs;
  ++moved.i[0];
  return as_it_is<op>(in, moved);
}

/// Sizes around `axis`: x is [outer, n, inner].
struct AxisSplit {
  std::int64_t outer = 1, n = 1, inner = 1;
};
inline AxisSplit split(const Shape& shape, int axis) {
  AxisSplit s;
  s.n = shape[axis];
  for (int i = 0; i < axis; ++i) s.outer *= shape[i];
  for (int i = axis + 1; i < shape.rank(); ++i) s.inner *= shape[i];
  return s;
}

}  // namespace saltus::ops
