#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) { return {a.dy * (1 - a.out * a.out)}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::map(k, [](Real x) { return std::tanh(x); });
}

}  // namespace

extern const OpDef tanh_op = {.name = "tanh",
                             .shape = ops::same_shape,
                             .vjp = vjp,
                             .reference_f32 = reference<float>,
                             .reference_f64 = reference<double>,
                             .cpu = ops::map_cpu<kernels::tanh>,
                             .over_runs = ops::as_it_is<tanh_op>,
                             .inplace = true};

Var tanh(Var x) { return ops::record<tanh_op>({x}); }

}  // namespace saltus
