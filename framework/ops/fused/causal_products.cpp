#include "kernels/causal.h"

#include "ops/broadcast.h"

namespace saltus {
namespace {

/// Shapes of one call: a matrix [n, n] and rows [n, width], both with batch axes that broadcast.
struct Triangle {
  kernels::CausalProduct size;
  Shape batch_a, batch_b, batch;

  static Shape batch_of(const Shape& x) { return x.without(-1).without(-1); }
  Triangle(const Shape& a, const Shape& b, std::int64_t n, std::int64_t width)
      : size{n, width}, batch_a(batch_of(a)), batch_b(batch_of(b)), batch(broadcast(batch_a, batch_b)) {}
};

Triangle of_dots(const Shape& x, const Shape& y) {
  check(x.rank() >= 2 && y.rank() >= 2 && x[-1] == y[-1] && x[-2] == y[-2], "operands must be [..., position, width] alike, got {} and {}", x,
        y);
  return {x, y, x[-2], x[-1]};
}

Triangle of_apply(const Shape& s, const Shape& x) {
  check(s.rank() >= 2 && x.rank() >= 2 && s[-1] == s[-2] && x[-2] == s[-1], "needs a square [..., n, n] and rows [..., n, width], got {} and {}",
        s, x);
  return {s, x, x[-2], x[-1]};
}

Shape dots_shape(const ShapeArgs& a) {
  const Triangle t = of_dots(a.shape(0), a.shape(1));
  return t.batch.inserted(t.batch.rank(), t.size.n).inserted(t.batch.rank() + 1, t.size.n);
}

Shape apply_shape(const ShapeArgs& a) {
  const Triangle t = of_apply(a.shape(0), a.shape(1));
  return t.batch.inserted(t.batch.rank(), t.size.n).inserted(t.batch.rank() + 1, t.size.width);
}

// The three are one another's adjoints. What comes back for s is 0 above the diagonal, as it must be: those entries are not read.
std::vector<Var> dots_vjp(const VjpArgs& v) {
  const Var x = v.in[0], y = v.in[1];
  return {sum_to(causal_apply(v.dy, y), x.shape()), sum_to(causal_apply_transposed(v.dy, x), y.shape())};
}
std::vector<Var> apply_vjp(const VjpArgs& v) {
  const Var s = v.in[0], x = v.in[1];
  return {sum_to(causal_dots(v.dy, x), s.shape()), sum_to(causal_apply_transposed(s, v.dy), x.shape())};
}
std::vector<Var> apply_transposed_vjp(const VjpArgs& v) {
  const Var s = v.in[0], y = v.in[1];
  return {sum_to(causal_dots(y, v.dy), s.shape()), sum_to(causal_apply(s, v.dy), y.shape())};
}

/// Calls f(a, b, out) for each matrix of the batch, whose operands and result have so many elements.
template <class Real, class F>
void for_each_matrix(const KernelArgs<Real>& k, const Triangle& t, std::int64_t size_a, std::int64_t size_b, std::int64_t size_out, F f) {
  if (t.batch.size() == 0) return;
  const ops::BroadcastLoops loops(t.batch_a, t.batch_b, t.batch);
  loops.for_each_row([&](std::int64_t a, std::int64_t b, std::int64_t out) {
    for (std::int64_t i = 0; i < loops.row_size(); ++i)
      f(k.f(0) + (a + i * loops.row_stride_a()) * size_a, k.f(1) + (b + i * loops.row_stride_b()) * size_b, k.y() + (out + i) * size_out);
  });
}

template <class Real>
void dots_reference(const KernelArgs<Real>& k) {
  const Triangle t = of_dots(k.shape(0), k.shape(1));
  const auto [n, width] = t.size;
  for_each_matrix(k, t, n * width, n * width, n * n, [n, width](const Real* x, const Real* y, Real* s) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        Real total = 0;
        for (std::int64_t c = 0; j <= i && c < width; ++c) total += x[i * width + c] * y[j * width + c];
        s[i * n + j] = total;
      }
    }
  });
}

/// out_i = sum over j <= i of s_ij x_j; transposed, out_i = sum over j >= i of s_ji x_j.
template <class Real, bool transposed>
void apply_reference(const KernelArgs<Real>& k) {
  const Triangle t = of_apply(k.shape(0), k.shape(1));
  const auto [n, width] = t.size;
  for_each_matrix(k, t, n * n, n * width, n * width, [n, width](const Real* s, const Real* x, Real* out) {
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t c = 0; c < width; ++c) {
        Real total = 0;
        for (std::int64_t j = transposed ? i : 0; j < (transposed ? n : i + 1); ++j)
          total += (transposed ? s[j * n + i] : s[i * n + j]) * x[j * width + c];
        out[i * width + c] = total;
      }
    }
  });
}

void dots_cpu(const KernelArgs<float>& k) {
  const Triangle t = of_dots(k.shape(0), k.shape(1));
  const std::int64_t rows = t.size.n * t.size.width;
  for_each_matrix(k, t, rows, rows, t.size.n * t.size.n,
                  [&](const float* x, const float* y, float* s) { kernels::causal_dots(t.size, x, y, s); });
}

template <auto kernel>
void apply_cpu(const KernelArgs<float>& k) {
  const Triangle t = of_apply(k.shape(0), k.shape(1));
  const std::int64_t rows = t.size.n * t.size.width;
  for_each_matrix(k, t, t.size.n * t.size.n, rows, rows, [&](const float* s, const float* x, float* out) { kernel(t.size, s, x, out); });
}

double flops(const Triangle& t) {
  const auto n = static_cast<double>(t.size.n);
  return n * (n + 1) * static_cast<double>(t.size.width * t.batch.size());
}
double dots_flops(const ShapeArgs& a, const Shape&) { return flops(of_dots(a.shape(0), a.shape(1))); }
double apply_flops(const ShapeArgs& a, const Shape&) { return flops(of_apply(a.shape(0), a.shape(1))); }

}  // namespace

extern const OpDef causal_dots_op = {.name = "causal_dots",
                                     .shape = dots_shape,
                                     .vjp = dots_vjp,
                                     .reference_f32 = dots_reference<float>,
                                     .reference_f64 = dots_reference<double>,
                                     .cpu = dots_cpu,
                                     .over_runs = ops::by_broadcast<causal_dots_op>,
                                     .flops = dots_flops};
extern const OpDef causal_apply_op = {.name = "causal_apply",
                                      .shape = apply_shape,
                                      .vjp = apply_vjp,
                                      .reference_f32 = apply_reference<float, false>,
                                      .reference_f64 = apply_reference<double, false>,
                                      .cpu = apply_cpu<kernels::causal_apply>,
                                      .over_runs = ops::by_broadcast<causal_apply_op>,
                                      .flops = apply_flops};
extern const OpDef causal_apply_transposed_op = {.name = "causal_apply_transposed",
                                                 .shape = apply_shape,
                                                 .vjp = apply_transposed_vjp,
                                                 .reference_f32 = apply_reference<float, true>,
                                                 .reference_f64 = apply_reference<double, true>,
                                                 .cpu = apply_cpu<kernels::causal_apply_transposed>,
                                                 .over_runs = ops::by_broadcast<causal_apply_transposed_op>,
                                                 .flops = apply_flops};

Var causal_dots(Var x, Var y) { return ops::record<causal_dots_op>({x, y}); }
Var causal_apply(Var s, Var x) { return ops::record<causal_apply_op>({s, x}); }
Var causal_apply_transposed(Var s, Var y) { return ops::record<causal_apply_transposed_op>({s, y}); }

}  // namespace saltus
