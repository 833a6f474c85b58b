#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) { return {a.dy / (2 * a.out)}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::map(k, [](Real x) { return std::sqrt(x); });
}

}  // namespace

extern const OpDef sqrt_op = {.name = "sqrt",
                             .shape = ops::same_shape,
                             .vjp = vjp,
                             .reference_f32 = reference<float>,
                             .reference_f64 = reference<double>,
                             .cpu = ops::map_cpu<kernels::sqrt>,
                             .over_runs = ops::as_it_is<sqrt_op>,
                             .inplace = true};

Var sqrt(Var x) { return ops::record<sqrt_op>({x}); }

}  // namespace saltus
