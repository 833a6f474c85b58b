#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

Shape shape(const ShapeArgs& a) {
  const Shape &logits = a.shape(0), &labels = a.shape(1);
  check(logits.rank() == labels.rank() + 1 && logits.without(-1) == labels, "logits must be [labels..., classes], got {} with labels {}",
        logits, labels);
  return labels;
}

Var decompose(std::span<const Var> in, const Attrs&) {
  const Var log_p = log_softmax(in[0]);
  return -sum(log_p * one_hot(in[1], log_p.shape()[-1]), -1);
}

std::vector<Var> vjp(const VjpArgs& a) {
  const Var p = softmax(a.in[0]);  // [..., class]
  const Shape column = a.dy.shape().inserted(a.dy.shape().rank(), 1);
  return {(p - one_hot(a.in[1], p.shape()[-1])) * reshape(a.dy, column), Var{}};
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const std::int64_t n = k.shape(0)[-1], rows = k.shape().size();
  for (std::int64_t r = 0; r < rows; ++r) {
    const Real* x = k.f(0) + r * n;
    const Real top = *std::max_element(x, x + n);
    Real total = 0;
    for (std::int64_t j = 0; j < n; ++j) total += std::exp(x[j] - top);
    k.y()[r] = std::log(total) + top - x[k.ids(1)[r]];
  }
}

// Vectors along a row pay from about eight classes.
void cpu(const KernelArgs<float>& k) {
  const std::int64_t n = k.shape(0)[-1];
  if (n < 8) return reference<float>(k);
  const auto rows = static_cast<std::size_t>(k.shape().size());
  kernels::cross_entropy_rows(k.f(0), k.ids(1), k.y(), rows, static_cast<std::size_t>(n));
}

double flops(const ShapeArgs& a, const Shape&) { return 3.0 * static_cast<double>(a.shape(0).size()); }

}  // namespace

extern const OpDef softmax_cross_entropy_op = {.name = "softmax_cross_entropy",
                                               .shape = shape,
                                               .vjp = vjp,
                                               .reference_f32 = reference<float>,
                                               .reference_f64 = reference<double>,
                                               .cpu = cpu,
                                               .decompose = decompose,
                                               .over_runs = ops::as_it_is<softmax_cross_entropy_op>,
                                               .flops = flops,
                                               .index_inputs = 0b10};

Var softmax_cross_entropy(Var logits, Var labels) { return ops::record<softmax_cross_entropy_op>({logits, labels}); }

}  // namespace saltus
