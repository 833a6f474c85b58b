#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) { return {a.dy * a.out}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::map(k, [](Real x) { return std::exp(x); });
}

}  // namespace

extern const OpDef exp_op = {.name = "exp",
                             .shape = ops::same_shape,
                             .vjp = vjp,
                             .reference_f32 = reference<float>,
                             .reference_f64 = reference<double>,
                             .cpu = ops::map_cpu<kernels::exp>,
                             .over_runs = ops::as_it_is<exp_op>,
                             .inplace = true};

Var exp(Var x) { return ops::record<exp_op>({x}); }

}  // namespace saltus
