#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.f: scale, shift
std::vector<Var> vjp(const VjpArgs& a) { return {a.attrs.f[0] * a.dy}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const Real scale = static_cast<Real>(k.attrs.f[0]), shift = static_cast<Real>(k.attrs.f[1]);
  ops::map(k, [=](Real x) { return scale * x + shift; });
}

void cpu(const KernelArgs<float>& k) {
  kernels::affine(k.f(0), k.y(), static_cast<std::size_t>(k.shape().size()), static_cast<float>(k.attrs.f[0]),
                  static_cast<float>(k.attrs.f[1]));
}

}  // namespace

extern const OpDef affine_op = {.name = "affine",
                                .shape = ops::same_shape,
                                .vjp = vjp,
                                .reference_f32 = reference<float>,
                                .reference_f64 = reference<double>,
                                .cpu = cpu,
                                .over_runs = ops::as_it_is<affine_op>,
                                .inplace = true};

Var affine(Var x, double scale, double shift) { return ops::record<affine_op>({x}, {.f = {scale, shift}}); }

}  // namespace saltus
