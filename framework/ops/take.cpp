#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

Shape shape(const ShapeArgs& a) {
  check(a.shape(0).rank() == 2, "the table must be [rows, n], got {}", a.shape(0));
  return a.shape(1).inserted(a.shape(1).rank(), a.shape(0)[1]);
}

std::vector<Var> vjp(const VjpArgs& a) { return {scatter_add(a.dy, a.in[1], a.in[0].shape()[0]), Var{}}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const std::int64_t n = k.shape(0)[1], count = k.shape(1).size();
  for (std::int64_t i = 0; i < count; ++i) std::copy_n(k.f(0) + k.ids(1)[i] * n, n, k.y() + i * n);
}

}  // namespace

extern const OpDef take_op = {.name = "take",
                              .shape = shape,
                              .vjp = vjp,
                              .reference_f32 = reference<float>,
                              .reference_f64 = reference<double>,
                              .index_inputs = 0b10};

Var take(Var table, Var ids) { return ops::record<take_op>({table, ids}); }

}  // namespace saltus
