#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i[0]: axis
Shape shape(const ShapeArgs& a) {
  const auto axis = static_cast<int>(a.attrs.i[0]);
  std::int64_t total = 0;
  for (Var part : a.in) {
    check(part.shape().rank() == a.shape(0).rank() && part.shape().with(axis, 0) == a.shape(0).with(axis, 0),
          "parts differ off axis {}: {} and {}", axis, a.shape(0), part.shape());
    total += part.shape()[axis];
  }
  return a.shape(0).with(axis, total);
}

std::vector<Var> vjp(const VjpArgs& a) {
  const auto axis = static_cast<int>(a.attrs.i[0]);
  std::vector<Var> out;
  std::int64_t first = 0;
  for (Var part : a.in) {
    const std::int64_t n = part.shape()[axis];
    out.push_back(slice(a.dy, axis, first, first + n));
    first += n;
  }
  return out;
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const auto axis = static_cast<int>(k.attrs.i[0]);
  const std::int64_t outer = ops::split(k.shape(), axis).outer;
  Real* y = k.y();
  for (std::int64_t o = 0; o < outer; ++o) {
    for (std::size_t part = 0; part < k.in.size(); ++part) {
      const std::int64_t block = k.shape(static_cast<int>(part)).size() / outer;
      y = std::copy_n(k.f(static_cast<int>(part)) + o * block, block, y);
    }
  }
}

}  // namespace

extern const OpDef concat_op = {.name = "concat",
                                .shape = shape,
                                .vjp = vjp,
                                .reference_f32 = reference<float>,
                                .reference_f64 = reference<double>,
                                .over_runs = ops::on_next_axis<concat_op>};

Var concat(std::vector<Var> parts, int axis) {
  check(!parts.empty(), "concat: no parts");
  if (parts.size() == 1) return parts[0];
  return parts[0].graph->record(concat_op, parts, {.i = {parts[0].shape().axis(axis)}});
}

}  // namespace saltus
