#include <algorithm>
#include <vector>

#include "kernels/gemm.h"
#include "ops/broadcast.h"

namespace saltus {
namespace {

// attrs.i[0]: how many of the first columns of x hold the one; [1]: RepeatedRows::kinds, whose ids are then the third input

/// Shapes of one call: x [rows, d] against w or dy, with batch axes that broadcast.
struct Sizes {
  std::int64_t rows, d, n, hot;
  std::int64_t sequences = 0, pairs = 0, kinds = 0;  // 0: no rows are said to be repeated
  Shape batch_a, batch_b, batch;

  /// b is w [d, n], or in the gradient dy [rows, n]; `ids` is null where there are none.
  Sizes(const Shape& x, const Shape& b, const Shape* ids, const Attrs& attrs, bool gradient) {
    check(x.rank() >= 2 && b.rank() >= 2, "operands need two axes or more, got {} and {}", x, b);
    rows = x[-2], d = x[-1], n = b[-1], hot = attrs.i[0];
    check(hot >= 1 && hot <= d, "the one must be in the first 1 to {} columns, not {}", d, hot);
    check(b[-2] == (gradient ? rows : d), "inner sizes differ: {} and {}", x, b);
    batch_a = x.without(-1).without(-1), batch_b = b.without(-1).without(-1);
    batch = broadcast(batch_a, batch_b);
    if (ids) repeat(x, *ids, attrs.i[1]);
  }
  Sizes(const ShapeArgs& a, bool gradient) : Sizes(a.shape(0), a.shape(1), a.in.size() > 2 ? &a.shape(2) : nullptr, a.attrs, gradient) {}
  template <class Real>
  Sizes(const KernelArgs<Real>& k, bool gradient) : Sizes(k.shape(0), k.shape(1), k.in.size() > 2 ? &k.shape(2) : nullptr, k.attrs, gradient) {}

  /// Rows that are multiplied: those that repeat none.
  std::int64_t distinct_rows() const { return kinds == 0 ? rows : rows - sequences * pairs + std::min(kinds, sequences * pairs); }

 private:
  void repeat(const Shape& x, const Shape& ids, std::int64_t all_kinds) {
    check(ids.rank() == 2 && batch_a.size() == 1 && rows == ids[0] * (2 * ids[1] + 1),
          "ids [sequence, n] need rows of as many sequences of 2 n + 1, got {} with ids {}", x, ids);
    check(all_kinds >= 1, "ids need one kind or more, got {}", all_kinds);
    sequences = ids[0], pairs = ids[1], kinds = all_kinds;
  }
};

Shape shape(const ShapeArgs& a) {
  const Sizes s(a, false);
  return s.batch.inserted(s.batch.rank(), s.rows).inserted(s.batch.rank() + 1, s.n);
}
Shape grad_shape(const ShapeArgs& a) {
  const Sizes s(a, true);
  return s.batch.inserted(s.batch.rank(), s.d).inserted(s.batch.rank() + 1, s.n);
}

RepeatedRows repeated(const VjpArgs& v) { return v.in.size() > 2 ? RepeatedRows{v.in[2], v.attrs.i[1]} : RepeatedRows{}; }
std::vector<Var> cotangents(const VjpArgs& v, Var dx, Var db) {
  std::vector<Var> all = {sum_to(dx, v.in[0].shape()), sum_to(db, v.in[1].shape())};
  all.resize(v.in.size());
  return all;
}
std::vector<Var> vjp(const VjpArgs& v) {
  return cotangents(v, matmul(v.dy, v.in[1], false, true), one_hot_matmul_grad(v.in[0], v.dy, v.attrs.i[0], repeated(v)));
}
std::vector<Var> grad_vjp(const VjpArgs& v) {
  return cotangents(v, matmul(v.in[1], v.dy, false, true), one_hot_matmul(v.in[0], v.dy, v.attrs.i[0], repeated(v)));
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
  const Sizes s(k, false);
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
  const Sizes s(k, true);
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

void add_row(const float* from, float* to, std::int64_t n) { kernels::accumulate(from, to, static_cast<std::size_t>(n)); }
void copy_row(const float* from, float* to, std::int64_t n) { if (from != to) std::copy_n(from, n, to); }
void add_rows(const float* a, const float* b, float* to, std::int64_t n) { kernels::add({a, 1}, {b, 1}, to, static_cast<std::size_t>(n)); }

/// The kinds that occur, in the order in which they are met, one slot each, and what their rows of x hold after the code.
struct Kinds {
  std::vector<std::int64_t> slots;  // [kind]; -1: does not occur
  std::vector<float> content;       // [slot, d - hot]
  std::int64_t count = 0;

  Kinds(const Sizes& s, const std::int32_t* ids, const float* x) : slots(static_cast<std::size_t>(s.kinds), -1) {
    for (std::int64_t q = 0; q < s.sequences; ++q, x += s.d) {
      for (std::int64_t p = 0; p < s.pairs; ++p, x += 2 * s.d) {
        std::int64_t& slot = slots[static_cast<std::size_t>(*ids++)];
        if (slot >= 0) continue;
        slot = count++;
        content.insert(content.end(), x + s.d + s.hot, x + 2 * s.d);
      }
    }
  }
  std::int64_t slot(std::int32_t kind) const { return slots[static_cast<std::size_t>(kind)]; }
};

std::vector<float> block(std::int64_t rows, std::int64_t columns) { return std::vector<float>(static_cast<std::size_t>(rows * columns)); }

/// Sequences whose rows are packed and multiplied together: enough for a product's blocks, few enough for the first cache.
std::int64_t sequences_at_once(const Sizes& s) { return std::clamp<std::int64_t>(64 / (s.pairs + 1), 1, std::max<std::int64_t>(s.sequences, 1)); }

/// Rows 0, 2, ..., 2 pairs of each of `sequences`, from column `first` of `width`, one after another.
void pack(const Sizes& s, std::int64_t sequences, const float* from, std::int64_t first, std::int64_t width, float* to) {
  for (std::int64_t q = 0; q < sequences; ++q, from -= width) {
    for (std::int64_t i = 0; i <= s.pairs; ++i, from += 2 * width) to = std::copy(from + first, from + width, to);
  }
}

/// y = x w where each kind is multiplied once, into a table.
void multiply_repeated(const Sizes& s, const std::int32_t* ids, const float* x, const float* w, float* y) {
  const Kinds kinds(s, ids, x);
  std::vector<float> table = block(kinds.count, s.n);
  const auto multiply = [&](std::int64_t m, const float* a, std::int64_t lda, float* c, std::int64_t ldc) {
    kernels::gemm({.m = m, .n = s.n, .k = s.d - s.hot, .a = a, .lda = lda, .b = w + s.hot * s.n, .ldb = s.n, .c = c, .ldc = ldc});
  };
  multiply(kinds.count, kinds.content.data(), s.d - s.hot, table.data(), s.n);
  for (std::int64_t q = 0, place = 0; q < s.sequences; ++q) {
    multiply(s.pairs + 1, x + s.hot, 2 * s.d, y, 2 * s.n);
    for (std::int64_t r = 0; r < 2 * s.pairs + 1; ++r, x += s.d, y += s.n) {
      const float* content = r % 2 ? table.data() + kinds.slot(*ids++) * s.n : y;
      place = place_of_one(x, s.hot, place + 1);
      place < s.hot ? add_rows(content, w + place * s.n, y, s.n) : copy_row(content, y, s.n);
    }
  }
}

/// dw = x' dy, of which the rows of a kind are summed before they are multiplied.
void multiply_repeated_grad(const Sizes& s, const std::int32_t* ids, const float* x, const float* dy, float* dw) {
  const Kinds kinds(s, ids, x);
  const std::int64_t at_once = sequences_at_once(s), k = s.d - s.hot;
  std::vector<float> table = block(kinds.count, s.n);  // sums of dy
  std::vector<float> packed_x = block(at_once * (s.pairs + 1), k), packed_dy = block(at_once * (s.pairs + 1), s.n);
  kernels::Gemm g{.trans_a = true, .m = k, .n = s.n, .a = packed_x.data(), .lda = k, .b = packed_dy.data(), .ldb = s.n, .c = dw + s.hot * s.n,
                  .ldc = s.n, .accumulate = true};
  std::fill_n(dw, s.d * s.n, 0.0f);
  for (std::int64_t first = 0; first < s.sequences; first += at_once) {
    const std::int64_t sequences = std::min(at_once, s.sequences - first);
    pack(s, sequences, x, s.hot, s.d, packed_x.data());
    pack(s, sequences, dy, 0, s.n, packed_dy.data());
    g.k = sequences * (s.pairs + 1);
    kernels::gemm(g);
    for (std::int64_t q = 0, place = 0; q < sequences; ++q) {
      for (std::int64_t r = 0; r < 2 * s.pairs + 1; ++r, x += s.d, dy += s.n) {
        place = place_of_one(x, s.hot, place + 1);
        if (place < s.hot) add_row(dy, dw + place * s.n, s.n);
        if (r % 2) add_row(dy, table.data() + kinds.slot(*ids++) * s.n, s.n);
      }
    }
  }
  g.k = kinds.count, g.a = kinds.content.data(), g.b = table.data();
  if (g.k > 0) kernels::gemm(g);
}

void cpu(const KernelArgs<float>& k) {
  const Sizes s(k, false);
  for_each_product(k, s, false, [&](const float* x, const float* w, float* y) {
    if (s.kinds > 0) return multiply_repeated(s, k.ids(2), x, w, y);
    kernels::gemm({.m = s.rows, .n = s.n, .k = s.d - s.hot, .a = x + s.hot, .lda = s.d, .b = w + s.hot * s.n, .ldb = s.n, .c = y, .ldc = s.n});
    std::int64_t place = 0;
    for (std::int64_t r = 0; r < s.rows; ++r) {
      place = place_of_one(x + r * s.d, s.hot, place + 1);
      if (place < s.hot) add_row(w + place * s.n, y + r * s.n, s.n);
    }
  });
}

void grad_cpu(const KernelArgs<float>& k) {
  const Sizes s(k, true);
  for_each_product(k, s, true, [&](const float* x, const float* dy, float* dw) {
    if (s.kinds > 0) return multiply_repeated_grad(s, k.ids(2), x, dy, dw);
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

// A product of each distinct row with the other columns, and an addition for every row's one.
double flops_of(const Sizes& s) {
  const auto n = static_cast<double>(s.batch.size() * s.n);
  return n * (2 * static_cast<double>(s.distinct_rows() * (s.d - s.hot)) + static_cast<double>(s.rows));
}
double flops(const ShapeArgs& a, const Shape&) { return flops_of({a, false}); }
double grad_flops(const ShapeArgs& a, const Shape&) { return flops_of({a, true}); }

template <const OpDef& op>
Var record(Var x, Var b, std::int64_t hot, const RepeatedRows& repeated) {
  if (!repeated.ids) return ops::record<op>({x, b}, {.i = {hot}});
  return ops::record<op>({x, b, repeated.ids}, {.i = {hot, repeated.kinds}});
}

}  // namespace

extern const OpDef one_hot_matmul_op = {.name = "one_hot_matmul",
                                        .shape = shape,
                                        .vjp = vjp,
                                        .reference_f32 = reference<float>,
                                        .reference_f64 = reference<double>,
                                        .cpu = cpu,
                                        .flops = flops,
                                        .index_inputs = 0b100};
extern const OpDef one_hot_matmul_grad_op = {.name = "one_hot_matmul_grad",
                                             .shape = grad_shape,
                                             .vjp = grad_vjp,
                                             .reference_f32 = grad_reference<float>,
                                             .reference_f64 = grad_reference<double>,
                                             .cpu = grad_cpu,
                                             .flops = grad_flops,
                                             .index_inputs = 0b100};

Var one_hot_matmul(Var x, Var w, std::int64_t hot, const RepeatedRows& repeated) { return record<one_hot_matmul_op>(x, w, hot, repeated); }
Var one_hot_matmul_grad(Var x, Var dy, std::int64_t hot, const RepeatedRows& repeated) {
  return record<one_hot_matmul_grad_op>(x, dy, hot, repeated);
}

}  // namespace saltus
