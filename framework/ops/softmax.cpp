#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i[0]: 1 for a causal mask over the last two axes [query, key]; query i sees keys j <= i + (keys - queries)
Shape shape(const ShapeArgs& a) {
  const Shape& x = a.shape(0);
  check(x.rank() >= 1 && x[-1] >= 1, "needs a last axis, got {}", x);
  if (a.attrs.i[0]) {
    check(x.rank() >= 2 && x[-2] <= x[-1], "a causal mask needs [..., query, key] with no more queries than keys, got {}", x);
  }
  return x;
}

// Masked outputs are 0, so the same formula serves with and without a mask.
std::vector<Var> vjp(const VjpArgs& a) { return {softmax_grad(a.out, a.dy)}; }

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

Shape grad_shape(const ShapeArgs& a) {
  const Shape &y = a.shape(0), &dy = a.shape(1);
  check(y.rank() >= 1 && y == dy, "operands must be [..., n] alike, got {} and {}", y, dy);
  return y;
}

// g = y (dy - y . dy) for a cotangent c of g: to y comes c (dy - y . dy) - (c . y) dy, to dy what softmax_grad makes of c.
std::vector<Var> grad_vjp(const VjpArgs& a) {
  const Var y = a.in[0], dy = a.in[1], c = a.dy;
  return {c * (dy - sum(y * dy, -1, true)) - sum(c * y, -1, true) * dy, softmax_grad(y, c)};
}

template <class Real>
void grad_reference(const KernelArgs<Real>& k) {
  const std::int64_t n = k.shape()[-1];
  for (std::int64_t i = 0; i < k.shape().size(); i += n) {
    const Real *y = k.f(0) + i, *dy = k.f(1) + i;
    Real total = 0;
    for (std::int64_t j = 0; j < n; ++j) total += y[j] * dy[j];
    for (std::int64_t j = 0; j < n; ++j) k.y()[i + j] = y[j] * (dy[j] - total);
  }
}

void grad_cpu(const KernelArgs<float>& k) {
  const auto n = static_cast<std::size_t>(k.shape()[-1]), size = static_cast<std::size_t>(k.shape().size());
  if (size > 0) kernels::softmax_grad_rows(k.f(0), k.f(1), k.y(), size / n, n);
}

double grad_flops(const ShapeArgs&, const Shape& out) { return 4.0 * static_cast<double>(out.size()); }

// shift by the maximum, exp, sum, divide
double flops(const ShapeArgs&, const Shape& out) { return 4.0 * static_cast<double>(out.size()); }

}  // namespace

extern const OpDef softmax_op = {.name = "softmax",
                                 .shape = shape,
                                 .vjp = vjp,
                                 .reference_f32 = reference<float>,
                                 .reference_f64 = reference<double>,
                                 .cpu = cpu,
                                 .over_runs = ops::as_it_is<softmax_op>,
                                 .flops = flops};

extern const OpDef softmax_grad_op = {.name = "softmax_grad",
                                      .shape = grad_shape,
                                      .vjp = grad_vjp,
                                      .reference_f32 = grad_reference<float>,
                                      .reference_f64 = grad_reference<double>,
                                      .cpu = grad_cpu,
                                      .over_runs = ops::as_it_is<softmax_grad_op>,
                                      .flops = grad_flops};

Var softmax(Var x) { return ops::record<softmax_op>({x}); }
Var softmax_grad(Var y, Var dy) { return ops::record<softmax_grad_op>({y, dy}); }
Var causal_softmax(Var x) { return ops::record<softmax_op>({x}, {.i = {1}}); }

}  // namespace saltus
