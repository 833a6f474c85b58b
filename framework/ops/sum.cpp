#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i: axis, keep_axis
Shape shape(const ShapeArgs& a) {
  const auto axis = static_cast<int>(a.attrs.i[0]);
  return a.attrs.i[1] ? a.shape(0).with(axis, 1) : a.shape(0).without(axis);
}

std::vector<Var> vjp(const VjpArgs& a) {
  const Shape& x = a.in[0].shape();
  return {broadcast_to(reshape(a.dy, x.with(static_cast<int>(a.attrs.i[0]), 1)), x)};
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const ops::AxisSplit s = ops::split(k.shape(0), static_cast<int>(k.attrs.i[0]));
  for (std::int64_t o = 0; o < s.outer; ++o) {
    for (std::int64_t i = 0; i < s.inner; ++i) {
      Real total = 0;
      for (std::int64_t j = 0; j < s.n; ++j) total += k.f(0)[(o * s.n + j) * s.inner + i];
      k.y()[o * s.inner + i] = total;
    }
  }
}

// Sums along memory within one row, or adds whole rows of the inner axes.
void cpu(const KernelArgs<float>& k) {
  const ops::AxisSplit s = ops::split(k.shape(0), static_cast<int>(k.attrs.i[0]));
  const float* x = k.f(0);
  float* y = k.y();
  if (s.inner == 1) {
    for (std::int64_t o = 0; o < s.outer; ++o) y[o] = kernels::sum(x + o * s.n, static_cast<std::size_t>(s.n));
    return;
  }
  std::fill_n(y, s.outer * s.inner, 0.0f);
  for (std::int64_t o = 0; o < s.outer; ++o) {
    for (std::int64_t j = 0; j < s.n; ++j) {
      kernels::accumulate(x + (o * s.n + j) * s.inner, y + o * s.inner, static_cast<std::size_t>(s.inner));
    }
  }
}

}  // namespace

extern const OpDef sum_op = {.name = "sum",
                             .shape = shape,
                             .vjp = vjp,
                             .reference_f32 = reference<float>,
                             .reference_f64 = reference<double>,
                             .cpu = cpu,
                             .over_runs = ops::on_next_axis<sum_op>,
                             .flops = [](const ShapeArgs& a, const Shape&) { return static_cast<double>(a.shape(0).size()); }};

Var sum(Var x, int axis, bool keep_axis) {
  const int at = x.shape().axis(axis);
  if (x.shape()[at] == 1) return reshape(x, keep_axis ? x.shape() : x.shape().without(at));
  return ops::record<sum_op>({x}, {.i = {at, keep_axis}});
}

Var mean(Var x, int axis, bool keep_axis) { return sum(x, axis, keep_axis) / static_cast<double>(x.shape()[axis]); }

Var sum_all(Var x) { return sum(reshape(x, {x.shape().size()}), 0); }

Var mean_all(Var x) { return sum_all(x) / static_cast<double>(x.shape().size()); }

}  // namespace saltus
