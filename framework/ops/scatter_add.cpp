#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i[0]: rows
Shape shape(const ShapeArgs& a) {
  const Shape &x = a.shape(0), &ids = a.shape(1);
  check(x.rank() == ids.rank() + 1 && x.without(-1) == ids, "x must be [ids..., n], got {} with ids {}", x, ids);
  return {a.attrs.i[0], x[-1]};
}

std::vector<Var> vjp(const VjpArgs& a) { return {take(a.dy, a.in[1]), Var{}}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const std::int64_t n = k.shape()[1], count = k.shape(1).size();
  std::fill_n(k.y(), k.shape().size(), Real(0));
  for (std::int64_t i = 0; i < count; ++i) {
    Real* row = k.y() + k.ids(1)[i] * n;
    for (std::int64_t j = 0; j < n; ++j) row[j] += k.f(0)[i * n + j];
  }
}

void cpu(const KernelArgs<float>& k) {
  const std::int64_t n = k.shape()[1], count = k.shape(1).size();
  std::fill_n(k.y(), k.shape().size(), 0.0f);
  for (std::int64_t i = 0; i < count; ++i) {
    kernels::accumulate(k.f(0) + i * n, k.y() + k.ids(1)[i] * n, static_cast<std::size_t>(n));
  }
}

}  // namespace

extern const OpDef scatter_add_op = {.name = "scatter_add",
                                     .shape = shape,
                                     .vjp = vjp,
                                     .reference_f32 = reference<float>,
                                     .reference_f64 = reference<double>,
                                     .cpu = cpu,
                                     .index_inputs = 0b10};

Var scatter_add(Var x, Var ids, std::int64_t rows) { return ops::record<scatter_add_op>({x, ids}, {.i = {rows}}); }

}  // namespace saltus
