#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

Shape shape(const ShapeArgs& a) {
  check(a.shape(0).rank() >= 1 && a.shape(0)[-1] >= 1, "needs a last axis, got {}", a.shape(0));
  return a.shape(0);
}

std::vector<Var> vjp(const VjpArgs& a) { return {a.dy - exp(a.out) * sum(a.dy, -1, true)}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const std::int64_t n = k.shape()[-1], rows = k.shape().size() / n;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Real* x = k.f(0) + r * n;
    const Real top = *std::max_element(x, x + n);
    Real total = 0;
    for (std::int64_t j = 0; j < n; ++j) total += std::exp(x[j] - top);
    for (std::int64_t j = 0; j < n; ++j) k.y()[r * n + j] = x[j] - top - std::log(total);
  }
}

void cpu(const KernelArgs<float>& k) {
  const auto n = static_cast<std::size_t>(k.shape()[-1]);
  kernels::log_softmax_rows(k.f(0), k.y(), static_cast<std::size_t>(k.shape().size()) / n, n);
}

double flops(const ShapeArgs&, const Shape& out) { return 4.0 * static_cast<double>(out.size()); }

}  // namespace

extern const OpDef log_softmax_op = {.name = "log_softmax",
                                     .shape = shape,
                                     .vjp = vjp,
                                     .reference_f32 = reference<float>,
                                     .reference_f64 = reference<double>,
                                     .cpu = cpu,
                                     .over_runs = ops::as_it_is<log_softmax_op>,
                                     .flops = flops};

Var log_softmax(Var x) { return ops::record<log_softmax_op>({x}); }

}  // namespace saltus
