#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) { return {a.dy * silu_grad(a.in[0])}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  ops::map(k, [](Real x) { return x / (1 + std::exp(-x)); });
}

// With s = sigmoid(x), s' = s (1 - s): the derivative of s + x s (1 - s).
std::vector<Var> grad_vjp(const VjpArgs& a) {
  const Var x = a.in[0], s = sigmoid(x);
  return {a.dy * (s * (1 - s) * (x * (1 - 2 * s) + 2))};
}

template <class Real>
void grad_reference(const KernelArgs<Real>& k) {
  ops::map(k, [](Real x) {
    const Real s = 1 / (1 + std::exp(-x));
    return s * (1 + x * (1 - s));
  });
}

double flops(const ShapeArgs&, const Shape& out) { return 4.0 * static_cast<double>(out.size()); }

}  // namespace

extern const OpDef silu_op = {.name = "silu",
                              .shape = ops::same_shape,
                              .vjp = vjp,
                              .reference_f32 = reference<float>,
                              .reference_f64 = reference<double>,
                              .cpu = ops::map_cpu<kernels::silu>,
                              .over_runs = ops::as_it_is<silu_op>,
                              .flops = flops,
                              .inplace = true};
extern const OpDef silu_grad_op = {.name = "silu_grad",
                                   .shape = ops::same_shape,
                                   .vjp = grad_vjp,
                                   .reference_f32 = grad_reference<float>,
                                   .reference_f64 = grad_reference<double>,
                                   .cpu = ops::map_cpu<kernels::silu_grad>,
                                   .over_runs = ops::as_it_is<silu_grad_op>,
                                   .flops = flops,
                                   .inplace = true};

Var silu(Var x) { return ops::record<silu_op>({x}); }

Var silu_grad(Var x) { return ops::record<silu_grad_op>({x}); }

}  // namespace saltus
