#pragma once
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
