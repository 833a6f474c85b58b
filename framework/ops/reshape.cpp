#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i: the output's sizes; attrs.f[0]: its rank
Shape target(const Attrs& attrs) { return Shape(std::span<const std::int64_t>(attrs.i.data(), static_cast<std::size_t>(attrs.f[0]))); }

Shape shape(const ShapeArgs& a) {
  const Shape to = target(a.attrs);
  check(to.size() == a.shape(0).size(), "{} has {} elements, {} has {}", a.shape(0), a.shape(0).size(), to,
        to.size());
  return to;
}

std::vector<Var> vjp(const VjpArgs& a) { return {reshape(a.dy, a.in[0].shape())}; }

Var over_runs(std::span<const Var> in, const Attrs& attrs) { return reshape(in[0], target(attrs).inserted(0, in[0].shape()[0])); }

}  // namespace

extern const OpDef reshape_op = {
    .name = "reshape", .shape = shape, .vjp = vjp, .over_runs = over_runs, .view_offset = [](const ShapeArgs&) -> std::int64_t { return 0; }};

Var reshape(Var x, Shape shape) {
  if (x.shape() == shape) return x;
  Attrs attrs{.f = {static_cast<double>(shape.rank())}};
  std::copy(shape.dims().begin(), shape.dims().end(), attrs.i.begin());
  return ops::record<reshape_op>({x}, attrs);
}

}  // namespace saltus
