#include "ops/broadcast.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) {
  const Var x = a.in[0], y = a.in[1];
  return {sum_to(a.dy * y, x.shape()), sum_to(a.dy * x, y.shape())};
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::zip(k, [](Real x, Real y) { return x * y; });
}

}  // namespace

extern const OpDef mul_op = {.name = "mul",
                           .shape = ops::broadcast_shape,
                           .vjp = vjp,
                           .reference_f32 = reference<float>,
                           .reference_f64 = reference<double>,
                           .cpu = ops::zip_cpu<kernels::mul>,
                           .over_runs = ops::by_broadcast<mul_op>,
                           .inplace = true};

Var operator*(Var a, Var b) { return ops::record<mul_op>({a, b}); }

}  // namespace saltus
