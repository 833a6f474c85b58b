#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i[0]: 1 for a causal mask over the last two axes [query, key]; query i sees keys j <= i + (keys - queries)
Shape shape(const ShapeArgs& a) {
  const Shape& x = a.shape(0);
  check(x.rank() >= 1 && x[-1] >= 1, "needs a last axis, got {}", x.str());
  if (a.attrs.i[0]) {
    check(x.rank() >= 2 && x[-2] <= x[-1], "a causal mask needs [..., query, key] with no more queries than keys, got {}", x.str());
  }
  return x;
}

// Masked outputs are 0, so the same formula serves with and without a mask.
std::vector<Var> vjp(const VjpArgs& a) {
  const Var y_dy = a.out * a.dy;
  return {y_dy - a.out * sum(y_dy, -1, true)};
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const std::int64_t n = k.shape()[-1], rows = k.shape().size() / n;
  const std::int64_t queries = k.attrs.i[0] ? k.shape()[-2] : 1;
  for (std::int64_t r = 0; r < rows; ++r) {
    const Real* x = k.f(0) + r * n;
    Real* y = k.y() + r * n;
    const std::int64_t visible = k.attrs.i[0] ? n - queries + 1 + r % queries : n;
    const Real top = *std::max_element(x, x + visible);
    Real total = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      y[j] = j < visible ? std::exp(x[j] - top) : Real(0);
      total += y[j];
    }
    for (std::int64_t j = 0; j < n; ++j) y[j] /= total;
  }
}

void cpu(const KernelArgs<float>& k) {
  const auto n = static_cast<std::size_t>(k.shape()[-1]);
  kernels::softmax_rows(k.f(0), k.y(), static_cast<std::size_t>(k.shape().size()) / n, n,
                        k.attrs.i[0] ? static_cast<std::size_t>(k.shape()[-2]) : 0);
}

// shift by the maximum, exp, sum, divide
double flops(const ShapeArgs&, const Shape& out) { return 4.0 * static_cast<double>(out.size()); }

}  // namespace

extern const OpDef softmax_op = {.name = "softmax",
                                 .shape = shape,
                                 .vjp = vjp,
                                 .reference_f32 = reference<float>,
                                 .reference_f64 = reference<double>,
                                 .cpu = cpu,
                                 .flops = flops};

Var softmax(Var x) { return ops::record<softmax_op>({x}); }
Var causal_softmax(Var x) { return ops::record<softmax_op>({x}, {.i = {1}}); }

}  // namespace saltus
