#include "kernels/gemm.h"
#include "ops/broadcast.h"

namespace saltus {

extern const OpDef matmul_op;

namespace {

// attrs.i: trans_a, trans_b

/// Sizes of one product and the batch axes around it.
struct Product {
  std::int64_t m, n, k;
  Shape batch_a, batch_b, batch;

  Product(const Shape& a, const Shape& b, const Attrs& attrs) {
    check(a.rank() >= 2 && b.rank() >= 2, "operands need two axes or more, got {} and {}", a, b);
    m = attrs.i[0] ? a[-1] : a[-2];
    k = attrs.i[0] ? a[-2] : a[-1];
    n = attrs.i[1] ? b[-2] : b[-1];
    const std::int64_t kb = attrs.i[1] ? b[-1] : b[-2];
    check(k == kb, "inner sizes differ: {} and {}{}", k, kb, attrs.i[0] || attrs.i[1] ? " (after transposing)" : "");
    batch_a = a.without(-1).without(-1);
    batch_b = b.without(-1).without(-1);
    batch = broadcast(batch_a, batch_b);
  }
};

Shape shape(const ShapeArgs& a) {
  const Product p(a.shape(0), a.shape(1), a.attrs);
  return p.batch.inserted(p.batch.rank(), p.m).inserted(p.batch.rank() + 1, p.n);
}

double flops(const ShapeArgs& a, const Shape& out) {
  return 2.0 * static_cast<double>(out.size()) * static_cast<double>(Product(a.shape(0), a.shape(1), a.attrs).k);
}

/// b is every run's own: one for all would have the runs' rows of a multiplied as one operand, in another order.
Var over_runs(std::span<const Var> in, const Attrs& attrs) {
  const std::vector<Var> own = ops::for_each_run(in);
  return ops::by_broadcast<matmul_op>(own, attrs);
}

Var rows(Var x) { return reshape(x, {x.shape().size() / x.shape()[-1], x.shape()[-1]}); }

// With A = op(a), B = op(b), Y = A B: dA = dY B', dB = A' dY, each written so that only what is stored is transposed. One weight
// matrix shared by the whole batch gets its gradient as one product over all rows instead of a batch of products and a sum.
std::vector<Var> vjp(const VjpArgs& v) {
  const Var a = v.in[0], b = v.in[1], dy = v.dy;
  const bool ta = v.attrs.i[0], tb = v.attrs.i[1];
  const Var da = ta ? matmul(b, dy, tb, true) : matmul(dy, b, false, !tb);
  Var db;
  if (b.shape().rank() == 2 && !ta) {
    db = tb ? matmul(rows(dy), rows(a), true, false) : matmul(rows(a), rows(dy), true, false);
  } else {
    db = tb ? matmul(dy, a, true, ta) : matmul(a, dy, !ta, false);
  }
  return {sum_to(da, a.shape()), sum_to(db, b.shape())};
}

template <class Real>
void multiply(const KernelArgs<Real>& k, const Product& p, const Real* a, const Real* b, Real* y) {
  const std::int64_t row_a = k.attrs.i[0] ? 1 : p.k, col_a = k.attrs.i[0] ? p.m : 1;
  const std::int64_t row_b = k.attrs.i[1] ? 1 : p.n, col_b = k.attrs.i[1] ? p.k : 1;
  for (std::int64_t i = 0; i < p.m; ++i) {
    for (std::int64_t j = 0; j < p.n; ++j) {
      Real total = 0;
      for (std::int64_t l = 0; l < p.k; ++l) total += a[i * row_a + l * col_a] * b[l * row_b + j * col_b];
      y[i * p.n + j] = total;
    }
  }
}

/// Calls f(a, b, y) for each product of the batch.
template <class Real, class F>
void for_each_product(const KernelArgs<Real>& k, const Product& p, F f) {
  if (p.batch.size() == 0) return;
  const ops::BroadcastLoops loops(p.batch_a, p.batch_b, p.batch);
  loops.for_each_row([&](std::int64_t a, std::int64_t b, std::int64_t out) {
    for (std::int64_t i = 0; i < loops.row_size(); ++i) {
      f(k.f(0) + (a + i * loops.row_stride_a()) * p.m * p.k, k.f(1) + (b + i * loops.row_stride_b()) * p.k * p.n,
        k.y() + (out + i) * p.m * p.n);
    }
  });
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const Product p(k.shape(0), k.shape(1), k.attrs);
  for_each_product(k, p, [&](const Real* a, const Real* b, Real* y) { multiply(k, p, a, b, y); });
}

/// One b for all products along the last axes of the batch: their rows of a are those of one product.
void fold_rows(Product& p, std::int64_t& m) {
  while (p.batch.rank() > 0 && p.batch_a.rank() == p.batch.rank() && p.batch_a[-1] == p.batch[-1] &&
         (p.batch_b.rank() == 0 || p.batch_b[-1] == 1)) {
    p.m *= p.batch[-1];
    p.batch_a = p.batch_a.without(-1), p.batch = p.batch.without(-1);
    if (p.batch_b.rank() > 0) p.batch_b = p.batch_b.without(-1);
  }
  m = p.m;
}

void cpu(const KernelArgs<float>& k) {
  const Shape &a = k.shape(0), &b = k.shape(1), &y = k.shape();
  kernels::Gemm g{.trans_a = k.attrs.i[0] != 0, .trans_b = k.attrs.i[1] != 0, .m = y[-2], .n = y[-1]};
  g.k = g.trans_a ? a[-2] : a[-1];
  g.lda = g.trans_a ? g.m : g.k;
  g.ldb = g.trans_b ? g.k : g.n;
  g.ldc = g.n;
  g.a = k.f(0), g.b = k.f(1), g.c = k.y();
  const std::int64_t size_a = g.m * g.k, size_b = g.k * g.n, size_y = g.m * g.n;
  if (size_y == 0) return;
  const std::int64_t products = y.size() / size_y;
  // Small models call this for one product often enough that what follows would be felt.
  if (!g.trans_a && b.size() == size_b) {
    g.m *= products;
    kernels::gemm(g);
    return;
  }
  if (a.size() == products * size_a && b.size() == products * size_b) {
    for (std::int64_t i = 0; i < products; ++i, g.a += size_a, g.b += size_b, g.c += size_y) kernels::gemm(g);
    return;
  }
  Product p(a, b, k.attrs);
  if (!g.trans_a) fold_rows(p, g.m);
  for_each_product(k, p, [&](const float* from_a, const float* from_b, float* to) {
    g.a = from_a, g.b = from_b, g.c = to;
    kernels::gemm(g);
  });
}

}  // namespace

extern const OpDef matmul_op = {.name = "matmul",
                                .shape = shape,
                                .vjp = vjp,
                                .reference_f32 = reference<float>,
                                .reference_f64 = reference<double>,
                                .cpu = cpu,
                                .over_runs = over_runs,
                                .flops = flops};

Var matmul(Var a, Var b, bool trans_a, bool trans_b) { return ops::record<matmul_op>({a, b}, {.i = {trans_a, trans_b}}); }

}  // namespace saltus
