#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i: axis, first, last
Shape shape(const ShapeArgs& a) {
  const auto axis = static_cast<int>(a.attrs.i[0]);
  const std::int64_t first = a.attrs.i[1], last = a.attrs.i[2];
  check(0 <= first && first <= last && last <= a.shape(0)[axis], "[{}, {}) does not lie in axis {} of {}", first, last, axis,
        a.shape(0));
  return a.shape(0).with(axis, last - first);
}

std::vector<Var> vjp(const VjpArgs& a) {
  const auto axis = static_cast<int>(a.attrs.i[0]);
  return {pad(a.dy, axis, a.attrs.i[1], a.in[0].shape()[axis] - a.attrs.i[2])};
}

std::int64_t view_offset(const ShapeArgs& a) { return a.attrs.i[1] * a.shape(0).without(0).size(); }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const ops::AxisSplit s = ops::split(k.shape(0), static_cast<int>(k.attrs.i[0]));
  const std::int64_t block = (k.attrs.i[2] - k.attrs.i[1]) * s.inner;
  for (std::int64_t o = 0; o < s.outer; ++o) {
    std::copy_n(k.f(0) + (o * s.n + k.attrs.i[1]) * s.inner, block, k.y() + o * block);
  }
}

}  // namespace

extern const OpDef slice_op = {.name = "slice",
                               .shape = shape,
                               .vjp = vjp,
                               .reference_f32 = reference<float>,
                               .reference_f64 = reference<double>,
                               .over_runs = ops::on_next_axis<slice_op>};
// Along the first axis the elements are contiguous already.
extern const OpDef slice_view_op = {.name = "slice_view", .shape = shape, .vjp = vjp, .over_runs = ops::on_next_axis<slice_op>, .view_offset = view_offset};

Var slice(Var x, int axis, std::int64_t first, std::int64_t last) {
  const int at = x.shape().axis(axis);
  if (first == 0 && last == x.shape()[at]) return x;
  const Attrs attrs{.i = {at, first, last}};
  return at == 0 ? ops::record<slice_view_op>({x}, attrs) : ops::record<slice_op>({x}, attrs);
}

}  // namespace saltus
