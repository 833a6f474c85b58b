#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) { return {gate(a.dy, a.in[0])}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::map(k, [](Real x) { return x < 0 ? Real(0) : x; });
}

}  // namespace

extern const OpDef relu_op = {.name = "relu",
                             .shape = ops::same_shape,
                             .vjp = vjp,
                             .reference_f32 = reference<float>,
                             .reference_f64 = reference<double>,
                             .cpu = ops::map_cpu<kernels::relu>,
                             .over_runs = ops::as_it_is<relu_op>,
                             .inplace = true};

Var relu(Var x) { return ops::record<relu_op>({x}); }

}  // namespace saltus
