#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) { return {a.dy / a.in[0]}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::map(k, [](Real x) { return std::log(x); });
}

}  // namespace

extern const OpDef log_op = {.name = "log",
                             .shape = ops::same_shape,
                             .vjp = vjp,
                             .reference_f32 = reference<float>,
                             .reference_f64 = reference<double>,
                             .cpu = ops::map_cpu<kernels::log>,
                             .over_runs = ops::as_it_is<log_op>,
                             .inplace = true};

Var log(Var x) { return ops::record<log_op>({x}); }

}  // namespace saltus
