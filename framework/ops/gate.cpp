#include "ops/broadcast.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) {
  const Var x = a.in[0], y = a.in[1];
  return {sum_to(gate(a.dy, y), x.shape()), Var{}};
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::zip(k, [](Real x, Real y) { return y > 0 ? x : Real(0); });
}

}  // namespace

extern const OpDef gate_op = {.name = "gate",
                           .shape = ops::broadcast_shape,
                           .vjp = vjp,
                           .reference_f32 = reference<float>,
                           .reference_f64 = reference<double>,
                           .cpu = ops::zip_cpu<kernels::gate>,
                           .over_runs = ops::by_broadcast<gate_op>,
                           .inplace = true};

Var gate(Var a, Var b) { return ops::record<gate_op>({a, b}); }

}  // namespace saltus
