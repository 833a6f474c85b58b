#include "ops/op_util.h"

namespace saltus {
namespace {

constexpr double epsilon = 1e-6;  // what models with RMSNorm commonly use

Shape shape(const ShapeArgs& a) {
  const Shape& x = a.shape(0);
  check(x.rank() >= 1 && a.shape(1) == Shape{x[-1]}, "gain must be [{}], got {}", x.rank() ? x[-1] : 0,
        a.shape(1));
  return x;
}

Var decompose(std::span<const Var> in, const Attrs&) {
  return in[0] / sqrt(mean(in[0] * in[0], -1, true) + epsilon) * in[1];
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const std::int64_t n = k.shape()[-1], rows = n ? k.shape().size() / n : 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Real* x = k.f(0) + r * n;
    Real square = 0;
    for (std::int64_t j = 0; j < n; ++j) square += x[j] * x[j] / static_cast<Real>(n);
    const Real scale = 1 / std::sqrt(square + static_cast<Real>(epsilon));
    for (std::int64_t j = 0; j < n; ++j) k.y()[r * n + j] = x[j] * scale * k.f(1)[j];
  }
}

void cpu(const KernelArgs<float>& k) {
  const auto n = static_cast<std::size_t>(k.shape()[-1]);
  if (n == 0) return;
  kernels::rms_norm_rows(k.f(0), k.f(1), k.y(), static_cast<std::size_t>(k.shape().size()) / n, n,
                         static_cast<float>(epsilon));
}

double flops(const ShapeArgs&, const Shape& out) { return 4.0 * static_cast<double>(out.size()); }

}  // namespace

extern const OpDef rms_norm_op = {.name = "rms_norm",
                                  .shape = shape,
                                  .reference_f32 = reference<float>,
                                  .reference_f64 = reference<double>,
                                  .cpu = cpu,
                                  .decompose = decompose,
                                  .flops = flops};

Var rms_norm(Var x, Var gain) { return ops::record<rms_norm_op>({x, gain}); }

}  // namespace saltus
