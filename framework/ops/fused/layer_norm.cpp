#include "ops/op_util.h"

namespace saltus {
namespace {

constexpr double epsilon = 1e-5;  // PyTorch's default

Shape shape(const ShapeArgs& a) {
  const Shape& x = a.shape(0);
  check(x.rank() >= 1 && a.shape(1) == Shape{x[-1]} && a.shape(2) == Shape{x[-1]}, "gain and bias must be [{}], got {} and {}",
        x.rank() ? x[-1] : 0, a.shape(1), a.shape(2));
  return x;
}

Var decompose(std::span<const Var> in, const Attrs&) {
  const Var centred = in[0] - mean(in[0], -1, true);
  const Var variance = mean(centred * centred, -1, true);
  return centred / sqrt(variance + epsilon) * in[1] + in[2];
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const std::int64_t n = k.shape()[-1], rows = n ? k.shape().size() / n : 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Real* x = k.f(0) + r * n;
    Real mean = 0, variance = 0;
    for (std::int64_t j = 0; j < n; ++j) mean += x[j] / static_cast<Real>(n);
    for (std::int64_t j = 0; j < n; ++j) variance += (x[j] - mean) * (x[j] - mean) / static_cast<Real>(n);
    const Real scale = 1 / std::sqrt(variance + static_cast<Real>(epsilon));
    for (std::int64_t j = 0; j < n; ++j) k.y()[r * n + j] = (x[j] - mean) * scale * k.f(1)[j] + k.f(2)[j];
  }
}

double flops(const ShapeArgs&, const Shape& out) { return 7.0 * static_cast<double>(out.size()); }

}  // namespace

extern const OpDef layer_norm_op = {.name = "layer_norm",
                                    .shape = shape,
                                    .reference_f32 = reference<float>,
                                    .reference_f64 = reference<double>,
                                    .decompose = decompose,
                                    .flops = flops};

Var layer_norm(Var x, Var gain, Var bias) { return ops::record<layer_norm_op>({x, gain, bias}); }

}  // namespace saltus
