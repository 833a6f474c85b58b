#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) { return {a.dy * (a.out * (1 - a.out))}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::map(k, [](Real x) { return 1 / (1 + std::exp(-x)); });
}

}  // namespace

extern const OpDef sigmoid_op = {.name = "sigmoid",
                             .shape = ops::same_shape,
                             .vjp = vjp,
                             .reference_f32 = reference<float>,
                             .reference_f64 = reference<double>,
                             .cpu = ops::map_cpu<kernels::sigmoid>,
                             .over_runs = ops::as_it_is<sigmoid_op>,
                             .inplace = true};

Var sigmoid(Var x) { return ops::record<sigmoid_op>({x}); }

}  // namespace saltus
