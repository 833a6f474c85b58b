#include "ops/broadcast.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) {
  const Var x = a.in[0], y = a.in[1];
  return {sum_to(a.dy, x.shape()), sum_to(a.dy, y.shape())};
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::zip(k, [](Real x, Real y) { return x + y; });
}

}  // namespace

extern const OpDef add_op = {.name = "add",
                           .shape = ops::broadcast_shape,
                           .vjp = vjp,
                           .reference_f32 = reference<float>,
                           .reference_f64 = reference<double>,
                           .cpu = ops::zip_cpu<kernels::add>,
                           .over_runs = ops::by_broadcast<add_op>,
                           .inplace = true};

Var operator+(Var a, Var b) { return ops::record<add_op>({a, b}); }

}  // namespace saltus
