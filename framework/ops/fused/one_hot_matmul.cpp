#include <algorithm>

#include "kernels/gemm.h"
#include "ops/broadcast.h"

namespace saltus {
namespace {

// attrs.i[0]: how many of the first columns of x hold the one

/// Shapes of one call: x [rows, d] against w or dy, with batch axes that broadcast.
struct Sizes {
  std::int64_t rows, d, n, hot;
  Shape batch_a, batch_b, batch;

  /// b is w [d, n], or in the gradient dy [rows, n].
  Sizes(const Shape& x, const Shape& b, const Attrs& attrs, bool gradient) {
    check(x.rank() >= 2 && b.rank() >= 2, "operands need two axes or more, got {} and {}", x.str(), b.str());
    rows = x[-2], d = x[-1], n = b[-1], hot = attrs.i[0];
    check(hot >= 1 && hot <= d, "the one must be in the first 1 to {} columns, not {}", d, hot);
    check(b[-2] == (gradient ? rows : d), "inner sizes differ: {} and {}", x.str(), b.str());
    batch_a = x.without(-1).without(-1), batch_b = b.without(-1).without(-1);
    batch = broadcast(batch_a, batch_b);
  }
};

Shape shape(const ShapeArgs& a) {
  const Sizes s(a.shape(0), a.shape(1), a.attrs, false);
  return s.batch.inserted(s.batch.rank(), s.rows).inserted(s.batch.rank() + 1, s.n);
}
Shape grad_shape(const ShapeArgs& a) {
  const Sizes s(a.shape(0), a.shape(1), a.attrs, true);
  return s.batch.inserted(s.batch.rank(), s.d).inserted(s.batch.rank() + 1, s.n);
}

std::vector<Var> vjp(const VjpArgs& v) {
  const Var x = v.in[0], w = v.in[1];
  return {sum_to(matmul(v.dy, w, false, true), x.shape()), sum_to(one_hot_matmul_grad(x, v.dy, v.attrs.i[0]), w.shape())};
}
std::vector<Var> grad_vjp(const VjpArgs& v) {
  const Var x = v.in[0], dy = v.in[1];
  return {sum_to(matmul(dy, v.dy, false, true), x.shape()), sum_to(one_hot_matmul(x, v.dy, v.attrs.i[0]), dy.shape())};
}

/// Calls f(x, b, y) for each product of the batch.
template <class Real, class F>
void for_each_product(const KernelArgs<Real>& k, const Sizes& s, bool gradient, F f) {
  if (s.batch.size() == 0) return;
  const ops::BroadcastLoops loops(s.batch_a, s.batch_b, s.batch);
  const std::int64_t size_b = (gradient ? s.rows : s.d) * s.n, size_y = (gradient ? s.d : s.rows) * s.n;
  loops.for_each_row([&](std::int64_t a, std::int64_t b, std::int64_t out) {
    for (std::int64_t i = 0; i < loops.row_size(); ++i)
      f(k.f(0) + (a + i * loops.row_stride_a()) * s.rows * s.d, k.f(1) + (b + i * loops.row_stride_b()) * size_b, k.y() + (out + i) * size_y);
  });
}

// The meaning: plain products, whatever the columns hold.
template <class Real>
void reference(const KernelArgs<Real>& k) {
  const Sizes s(k.shape(0), k.shape(1), k.attrs, false);
  for_each_product(k, s, false, [&](const Real* x, const Real* w, Real* y) {
    for (std::int64_t r = 0; r < s.rows; ++r) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        Real total = 0;
        for (std::int64_t i = 0; i < s.d; ++i) total += x[r * s.d + i] * w[i * s.n + j];
        y[r * s.n + j] = total;
      }
    }
  });
}
template <class Real>
void grad_reference(const KernelArgs<Real>& k) {
  const Sizes s(k.shape(0), k.shape(1), k.attrs, true);
  for_each_product(k, s, true, [&](const Real* x, const Real* dy, Real* dw) {
    for (std::int64_t i = 0; i < s.d; ++i) {
      for (std::int64_t j = 0; j < s.n; ++j) {
        Real total = 0;
        for (std::int64_t r = 0; r < s.rows; ++r) total += x[r * s.d + i] * dy[r * s.n + j];
        dw[i * s.n + j] = total;
      }
    }
  });
}

/// Where a row's one is, or `hot` when it has none. Rows of a sequence follow each other, so the place after the last row's is looked at first.
std::int64_t place_of_one(const float* row, std::int64_t hot, std::int64_t guess) {
  if (guess < hot && row[guess] == 1) return guess;
  return std::find(row, row + hot, 1.0f) - row;
}

void add_row(const float* from, float* to, std::int64_t n) {
  for (std::int64_t j = 0; j < n; ++j) to[j] += from[j];
}

void cpu(const KernelArgs<float>& k) {
  const Sizes s(k.shape(0), k.shape(1), k.attrs, false);
  for_each_product(k, s, false, [&](const float* x, const float* w, float* y) {
    kernels::gemm({.m = s.rows, .n = s.n, .k = s.d - s.hot, .a = x + s.hot, .lda = s.d, .b = w + s.hot * s.n, .ldb = s.n, .c = y, .ldc = s.n});
    std::int64_t place = 0;
    for (std::int64_t r = 0; r < s.rows; ++r) {
      place = place_of_one(x + r * s.d, s.hot, place + 1);
      if (place < s.hot) add_row(w + place * s.n, y + r * s.n, s.n);
    }
  });
}

void grad_cpu(const KernelArgs<float>& k) {
  const Sizes s(k.shape(0), k.shape(1), k.attrs, true);
  for_each_product(k, s, true, [&](const float* x, const float* dy, float* dw) {
    kernels::gemm({.trans_a = true, .m = s.d - s.hot, .n = s.n, .k = s.rows, .a = x + s.hot, .lda = s.d, .b = dy, .ldb = s.n, .c = dw + s.hot * s.n,
                   .ldc = s.n});
    std::fill_n(dw, s.hot * s.n, 0.0f);
    std::int64_t place = 0;
    for (std::int64_t r = 0; r < s.rows; ++r) {
      place = place_of_one(x + r * s.d, s.hot, place + 1);
      if (place < s.hot) add_row(dy + r * s.n, dw + place * s.n, s.n);
    }
  });
}

// A product with the other columns, and an addition for the one.
double flops_of(const Sizes& s) { return static_cast<double>(s.batch.size() * s.rows * s.n) * (2 * static_cast<double>(s.d - s.hot) + 1); }
double flops(const ShapeArgs& a, const Shape&) { return flops_of({a.shape(0), a.shape(1), a.attrs, false}); }
double grad_flops(const ShapeArgs& a, const Shape&) { return flops_of({a.shape(0), a.shape(1), a.attrs, true}); }

}  // namespace

extern const OpDef one_hot_matmul_op = {.name = "one_hot_matmul",
                                        .shape = shape,
                                        .vjp = vjp,
                                        .reference_f32 = reference<float>,
                                        .reference_f64 = reference<double>,
                                        .cpu = cpu,
                                        .flops = flops};
extern const OpDef one_hot_matmul_grad_op = {.name = "one_hot_matmul_grad",
                                             .shape = grad_shape,
                                             .vjp = grad_vjp,
                                             .reference_f32 = grad_reference<float>,
                                             .reference_f64 = grad_reference<double>,
                                             .cpu = grad_cpu,
                                             .flops = grad_flops};

Var one_hot_matmul(Var x, Var w, std::int64_t hot) { return ops::record<one_hot_matmul_op>({x, w}, {.i = {hot}}); }
Var one_hot_matmul_grad(Var x, Var dy, std::int64_t hot) { return ops::record<one_hot_matmul_grad_op>({x, dy}, {.i = {hot}}); }

}  // namespace saltus
