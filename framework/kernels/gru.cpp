#include "kernels/gru.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gru.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include "core/arena.h"
#include "kernels/blocks-inl.h"
#include "kernels/exp-inl.h"
#include "kernels/gemm.h"
#include "kernels/gru_schedule.h"

// Words are computed in the order of GruSchedule. x W of a chunk of steps is one product; then each step goes over its
// rows in tiles whose h U stays in the first-level cache until the gates and the new states are made of it.
// On the way back a step makes the cotangents of its gates and from them dh of the step before; dW, dU and dx are
// products over a chunk. Rows of units are padded with zeros to whole vectors: padded units stay 0.

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {

constexpr std::size_t lanes = hn::MaxLanes(tag);
// A tile's three accumulators a row and three vectors of weights fit the registers: 32 of AVX-512, 16 of AVX2.
constexpr std::size_t tile_rows = lanes >= 16 ? 8 : 4;

HWY_INLINE Vec load(const float* x) { return hn::Load(tag, x); }
HWY_INLINE void store(Vec v, float* x) { hn::Store(v, tag, x); }

// A vector of units of an unpadded row, which has `left` more.
HWY_INLINE Vec get(const float* x, std::size_t left) {
  return left >= lanes ? hn::LoadU(tag, x) : hn::MaskedLoad(hn::FirstN(tag, left), tag, x);
}
HWY_INLINE void put(Vec v, float* x, std::size_t left) {
  if (left >= lanes) return hn::StoreU(v, tag, x);
  hn::BlendedStore(v, hn::FirstN(tag, left), tag, x);
}

// Within 2e-7, absolute. NaN gives some number, as exp_of_nonpositive does.
HWY_INLINE Vec gate_sigmoid(Vec v) {
  const Vec one = hn::Set(tag, 1.0f);
  const Vec e = exp_of_nonpositive(hn::Neg(hn::Abs(v)));
  return hn::Div(hn::IfThenElse(hn::Lt(v, hn::Zero(tag)), e, one), hn::Add(one, e));
}
HWY_INLINE Vec gate_tanh(Vec v) {
  const Vec one = hn::Set(tag, 1.0f);
  const Vec e = exp_of_nonpositive(hn::Mul(hn::Set(tag, -2.0f), hn::Abs(v)));
  return hn::CopySign(hn::Div(hn::Sub(one, e), hn::Add(one, e)), v);
}

// ---- Memory

/// Sizes, and what a call keeps in the scratch memory. p: units padded to whole vectors.
struct Layout {
  std::size_t B, T, E, h, p;
  float* W;                    // [E, 3p]
  float* U;                    // [h, 3p] forwards; its transpose [3p, p], of gates q, r, z, backwards
  float* bias;                 // [4, p]: of r, of z, c_n, and b_n
  float* hU;                   // [tile_rows, 3p]: h U of the running tile, with its biases
  float* states[2];            // [B, p]: h, or dh, of the running step, by rank; the other one alternates with it
  float *X, *A;                // [rows, E], [rows, 3p]: a chunk's x, and x W
  float* previous;             // [rows, p]: the states before a chunk's words
  float* D;                    // [rows, 4p]: cotangents on the way into q, r, z, n
  float *dX, *dW, *dU, *sums;  // [rows, E], [E, 3p], [h, 3p], [4p]

  Layout(const Gru& g, std::size_t rows, bool backward, AlignedBlock& scratch)
      : B(static_cast<std::size_t>(g.batch)),
        T(static_cast<std::size_t>(g.steps)),
        E(static_cast<std::size_t>(g.inputs)),
        h(static_cast<std::size_t>(g.units)),
        p((h + lanes - 1) / lanes * lanes) {
    const std::size_t bytes = place(rows, backward, nullptr);
    if (scratch.bytes() < bytes) scratch = AlignedBlock(bytes);
    place(rows, backward, scratch.floats());
  }

 private:
  std::size_t place(std::size_t rows, bool backward, float* base) {
    std::size_t used = 0;
    const auto take = [&used, base](float*& array, std::size_t floats) {
      array = base ? base + used : nullptr;
      used += aligned(floats * sizeof(float)) / sizeof(float);
    };
    take(W, E * 3 * p), take(U, 3 * p * p), take(bias, 4 * p), take(hU, tile_rows * 3 * p);
    take(states[0], B * p), take(states[1], B * p);
    take(X, rows * E), take(A, backward ? 0 : rows * 3 * p);
    const std::size_t back = backward ? 1 : 0;
    take(previous, back * rows * p), take(D, back * rows * 4 * p), take(dX, back * rows * E);
    take(dW, back * E * 3 * p), take(dU, back * h * 3 * p), take(sums, back * 4 * p);
    return used * sizeof(float);
  }
};

// [rows, 3h] to [rows, 3p].
void pad_gates(const float* from, std::size_t rows, const Layout& l, float* to) {
  std::fill_n(to, rows * 3 * l.p, 0.0f);
  for (std::size_t i = 0; i < rows * 3; ++i) std::copy_n(from + i * l.h, l.h, to + i * l.p);
}

void gather_inputs(const Gru& g, const GruSchedule& schedule, const GruSchedule::Chunk& chunk, const Layout& l) {
  schedule.for_each_word(chunk, [&](std::size_t row, std::size_t, GruSchedule::Word w) {
    std::copy_n(g.x + (w.b * l.T + w.t) * l.E, l.E, l.X + row * l.E);
  });
}

// f.operator()<rows>(first) over n rows in tiles.
template <std::size_t rows = tile_rows, class F>
HWY_INLINE void in_tiles(std::size_t n, F f, std::size_t first = 0) {
  for (; first + rows <= n; first += rows) f.template operator()<rows>(first);
  if constexpr (rows > 1) {
    if (first < n) in_tiles<rows - 1>(n, f, first);
  }
}

// One tile of a product: to [rows, columns] = start + a [rows, n] b [n, columns]. `start` may be `to`.
struct Product {
  const float* a;
  std::size_t a_stride, n;
  const float* b;
  std::size_t b_stride;
  const float* start;
  std::size_t start_stride;
  float* to;
  std::size_t to_stride;
};

// Not inlined: constants of the code around it would take registers from the sums.
template <std::size_t rows, std::size_t vectors>
HWY_NOINLINE void product_of(const Product& product, std::size_t column) {
  const auto [a, a_stride, n, b_start, b_stride, start, start_stride, to, to_stride] = product;
  const float* b = b_start + column;
  Vec sum[rows][vectors];
  SALTUS_UNROLL for (std::size_t i = 0; i < rows; ++i) {
    SALTUS_UNROLL for (std::size_t j = 0; j < vectors; ++j) sum[i][j] =
        load(start + i * start_stride + column + j * lanes);
  }
  for (std::size_t k = 0; k < n; ++k, b += b_stride) {
    Vec u[vectors];
    SALTUS_UNROLL for (std::size_t j = 0; j < vectors; ++j) u[j] = load(b + j * lanes);
    SALTUS_UNROLL for (std::size_t i = 0; i < rows; ++i) {
      const Vec x = hn::Set(tag, a[i * a_stride + k]);
      SALTUS_UNROLL for (std::size_t j = 0; j < vectors; ++j) sum[i][j] = hn::MulAdd(x, u[j], sum[i][j]);
    }
  }
  SALTUS_UNROLL for (std::size_t i = 0; i < rows; ++i) {
    SALTUS_UNROLL for (std::size_t j = 0; j < vectors; ++j) store(sum[i][j], to + i * to_stride + column + j * lanes);
  }
}

template <std::size_t rows>
void tile_product(const Product& product, std::size_t columns) {
  std::size_t v = 0;
  for (; v + 3 * lanes <= columns; v += 3 * lanes) product_of<rows, 3>(product, v);
  if (columns - v == 2 * lanes) product_of<rows, 2>(product, v);
  if (columns - v == lanes) product_of<rows, 1>(product, v);
}

// ---- Forwards

void pack_forward(const Gru& g, const Layout& l) {
  pad_gates(g.W, l.E, l, l.W);
  pad_gates(g.U, l.h, l, l.U);
  std::fill_n(l.bias, 4 * l.p, 0.0f);
  for (std::size_t j = 0; j < l.h; ++j) {
    for (std::size_t gate = 0; gate < 2; ++gate) l.bias[gate * l.p + j] = g.b[gate * l.h + j] + g.c[gate * l.h + j];
    l.bias[2 * l.p + j] = g.c[2 * l.h + j];
    l.bias[3 * l.p + j] = g.b[2 * l.h + j];
  }
}

/// One word; its rows of the padded arrays, and where it is written.
struct ForwardWord {
  const float *h, *A, *hU;
  float *next, *state, *gates;
};

HWY_INLINE void gates_forward(const Layout& l, const ForwardWord& w) {
  for (std::size_t v = 0; v < l.p; v += lanes) {
    const float *a = w.A + v, *u = w.hU + v;
    const Vec q = load(u + 2 * l.p);
    const Vec into_r = hn::Add(load(u), load(a)), into_z = hn::Add(load(u + l.p), load(a + l.p));
    const Vec r = gate_sigmoid(into_r), z = gate_sigmoid(into_z);
    const Vec into_n = hn::MulAdd(r, q, hn::Add(load(a + 2 * l.p), load(l.bias + 3 * l.p + v)));
    const Vec n = gate_tanh(into_n);
    Vec h = hn::MulAdd(z, hn::Sub(load(w.h + v), n), n);
    h = hn::MulAdd(hn::Zero(tag), hn::Add(hn::Add(into_r, into_z), into_n), h);  // NaN where one is not finite
    const std::size_t left = l.h - v;
    float* gates = w.gates + v;
    store(h, w.next + v);
    put(h, w.state + v, left);
    put(r, gates, left), put(z, gates + l.h, left), put(n, gates + 2 * l.h, left), put(q, gates + 3 * l.h, left);
  }
}

void forward_chunk(const GruSchedule& schedule, const GruSchedule::Chunk& chunk, Layout& l, float* states,
                   float* gates) {
  const float* A = l.A;
  for (std::size_t step = chunk.first; step < chunk.last; ++step) {
    const std::size_t active = schedule.active(step);
    in_tiles(active, [&]<std::size_t rows>(std::size_t first) HWY_ATTR {
      const float* h = l.states[0] + first * l.p;
      tile_product<rows>({h, l.p, l.h, l.U, 3 * l.p, l.bias, 0, l.hU, 3 * l.p}, 3 * l.p);
      for (std::size_t i = 0; i < rows; ++i) {
        const GruSchedule::Word w = schedule.word(step, first + i);
        gates_forward(l, {h + i * l.p, A + (first + i) * 3 * l.p, l.hU + i * 3 * l.p, l.states[1] + (first + i) * l.p,
                          states + (w.b * l.T + w.t) * l.h, gates + (w.t * l.B + w.b) * 4 * l.h});
      }
    });
    A += active * 3 * l.p;
    std::swap(l.states[0], l.states[1]);
  }
}

void gru_impl(const Gru& g, const GruSchedule& schedule, float* states, float* gates, AlignedBlock& scratch) {
  Layout l(g, schedule.most_rows(), false, scratch);
  pack_forward(g, l);
  std::fill_n(l.states[0], l.B * l.p, 0.0f);
  for (const GruSchedule::Chunk& chunk : schedule.chunks()) {
    gather_inputs(g, schedule, chunk, l);
    const auto gate_columns = static_cast<std::int64_t>(3 * l.p);
    gemm({.m = static_cast<std::int64_t>(chunk.rows),
          .n = gate_columns,
          .k = g.inputs,
          .a = l.X,
          .lda = g.inputs,
          .b = l.W,
          .ldb = gate_columns,
          .c = l.A,
          .ldc = gate_columns});
    forward_chunk(schedule, chunk, l, states, gates);
  }
  for (std::size_t b = 0; b < l.B; ++b) {
    const std::size_t length = schedule.length(b);
    std::fill_n(states + (b * l.T + length) * l.h, (l.T - length) * l.h, 0.0f);
    for (std::size_t t = length; t < l.T; ++t) std::fill_n(gates + (t * l.B + b) * 4 * l.h, 4 * l.h, 0.0f);
  }
}

// ---- Backwards

void pack_backward(const Gru& g, const Layout& l) {
  pad_gates(g.W, l.E, l, l.W);
  std::fill_n(l.U, 3 * l.p * l.p, 0.0f);
  for (std::size_t gate = 0; gate < 3; ++gate) {
    float* to = l.U + (gate + 1) % 3 * l.p * l.p;  // r, z, n to q, r, z
    for (std::size_t j = 0; j < l.h; ++j) {
      for (std::size_t k = 0; k < l.h; ++k) to[j * l.p + k] = g.U[(k * 3 + gate) * l.h + j];
    }
  }
}

/// One word on the way back; its rows of the padded arrays.
struct BackwardWord {
  const float *dy, *gates, *previous;
  float *dh, *D;
};

// Cotangents on the way into the gates from dh, in which z dh is left for the step before.
HWY_INLINE void gates_back(const Layout& l, const BackwardWord& w) {
  const Vec one = hn::Set(tag, 1.0f);
  for (std::size_t v = 0; v < l.p; v += lanes) {
    const std::size_t left = l.h - v;
    const float* gates = w.gates + v;
    const Vec r = get(gates, left), z = get(gates + l.h, left), n = get(gates + 2 * l.h, left);
    const Vec q = get(gates + 3 * l.h, left);
    const Vec dh = hn::Add(load(w.dh + v), get(w.dy + v, left));
    const Vec keep = hn::Mul(dh, z), fresh = hn::Sub(dh, keep);
    const Vec dn = hn::Mul(fresh, hn::NegMulAdd(n, n, one));
    const Vec dq = hn::Mul(dn, r);
    store(dq, w.D + v);
    store(hn::Mul(hn::Mul(dq, q), hn::Sub(one, r)), w.D + l.p + v);
    store(hn::Mul(hn::Mul(fresh, z), hn::Sub(load(w.previous + v), n)), w.D + 2 * l.p + v);
    store(dn, w.D + 3 * l.p + v);
    store(keep, w.dh + v);
  }
}

void gather_previous(const GruSchedule& schedule, const GruSchedule::Chunk& chunk, bool reverse, const Layout& l,
                     const float* states) {
  schedule.for_each_word(chunk, [&](std::size_t row, std::size_t step, GruSchedule::Word w) {
    float* to = l.previous + row * l.p;
    const std::size_t t = reverse ? w.t + 1 : w.t - 1;
    if (step > 0) to = std::copy_n(states + (w.b * l.T + t) * l.h, l.h, to);
    std::fill(to, l.previous + (row + 1) * l.p, 0.0f);
  });
}

void backward_chunk(const GruSchedule& schedule, const GruSchedule::Chunk& chunk, const Layout& l, const float* gates,
                    const float* dy) {
  std::size_t row = chunk.rows;
  for (std::size_t step = chunk.last; step-- > chunk.first;) {
    row -= schedule.active(step);
    in_tiles(schedule.active(step), [&]<std::size_t rows>(std::size_t first) HWY_ATTR {
      float *dh = l.states[0] + first * l.p, *D = l.D + (row + first) * 4 * l.p;
      for (std::size_t i = 0; i < rows; ++i) {
        const GruSchedule::Word w = schedule.word(step, first + i);
        gates_back(l, {dy + (w.b * l.T + w.t) * l.h, gates + (w.t * l.B + w.b) * 4 * l.h,
                       l.previous + (row + first + i) * l.p, dh + i * l.p, D + i * 4 * l.p});
      }
      tile_product<rows>({D, 4 * l.p, 3 * l.p, l.U, l.p, dh, l.p, dh, l.p}, l.p);  // dh += (dq, dr, dz) U'
    });
  }
}

// sums [4p] += the rows of D.
void add_rows(const Layout& l, std::size_t rows) {
  for (std::size_t v = 0; v < 4 * l.p; v += 4 * lanes) {
    Vec sum[4];
    SALTUS_UNROLL for (std::size_t j = 0; j < 4; ++j) sum[j] = load(l.sums + v + j * lanes);
    for (std::size_t i = 0; i < rows; ++i) {
      SALTUS_UNROLL for (std::size_t j = 0; j < 4; ++j) sum[j] =
          hn::Add(sum[j], load(l.D + i * 4 * l.p + v + j * lanes));
    }
    SALTUS_UNROLL for (std::size_t j = 0; j < 4; ++j) store(sum[j], l.sums + v + j * lanes);
  }
}

// dW += X' (dr, dz, dn), dU += previous' (dq, dr, dz), dX = (dr, dz, dn) W'.
void chunk_products(const Gru& g, const Layout& l, std::size_t chunk_rows) {
  const auto p = static_cast<std::int64_t>(l.p), rows = static_cast<std::int64_t>(chunk_rows);
  Gemm product{.trans_a = true, .n = 3 * p, .k = rows, .ldb = 4 * p, .ldc = 3 * p, .accumulate = true};
  product.m = g.inputs, product.a = l.X, product.lda = g.inputs, product.b = l.D + l.p, product.c = l.dW;
  gemm(product);
  product.m = g.units, product.a = l.previous, product.lda = p, product.b = l.D, product.c = l.dU;
  gemm(product);
  gemm({.trans_b = true,
        .m = rows,
        .n = g.inputs,
        .k = 3 * p,
        .a = l.D + l.p,
        .lda = 4 * p,
        .b = l.W,
        .ldb = 3 * p,
        .c = l.dX,
        .ldc = g.inputs});
}

void gru_grad_impl(const Gru& g, const GruSchedule& schedule, const float* states, const float* gates, const float* dy,
                   const GruGrad& to, AlignedBlock& scratch) {
  const Layout l(g, schedule.most_rows(), true, scratch);
  pack_backward(g, l);
  std::fill_n(l.states[0], l.B * l.p, 0.0f), std::fill_n(l.sums, 4 * l.p, 0.0f);
  std::fill_n(l.dW, l.E * 3 * l.p, 0.0f), std::fill_n(l.dU, l.h * 3 * l.p, 0.0f);
  for (auto chunk = schedule.chunks().rbegin(); chunk != schedule.chunks().rend(); ++chunk) {
    gather_inputs(g, schedule, *chunk, l);
    gather_previous(schedule, *chunk, g.reverse, l, states);
    backward_chunk(schedule, *chunk, l, gates, dy);
    add_rows(l, chunk->rows);
    chunk_products(g, l, chunk->rows);
    schedule.for_each_word(*chunk, [&](std::size_t row, std::size_t, GruSchedule::Word w) {
      std::copy_n(l.dX + row * l.E, l.E, to.dx + (w.b * l.T + w.t) * l.E);
    });
  }
  for (std::size_t b = 0; b < l.B; ++b) {
    const std::size_t length = schedule.length(b);
    std::fill_n(to.dx + (b * l.T + length) * l.E, (l.T - length) * l.E, 0.0f);
  }
  for (std::size_t gate = 0; gate < 3; ++gate) {  // D's order is q, r, z, n
    const std::size_t at = gate * l.p, after = (gate + 1) % 3 * l.p;
    for (std::size_t i = 0; i < l.E; ++i) std::copy_n(l.dW + i * 3 * l.p + at, l.h, to.dW + (i * 3 + gate) * l.h);
    for (std::size_t i = 0; i < l.h; ++i) std::copy_n(l.dU + i * 3 * l.p + after, l.h, to.dU + (i * 3 + gate) * l.h);
    std::copy_n(l.sums + l.p + at, l.h, to.db + gate * l.h);
    std::copy_n(l.sums + after, l.h, to.dc + gate * l.h);
  }
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
namespace {
/// Grows to what the largest call of this thread needs: a plan's calls allocate in its first runs only.
struct Scratch {
  AlignedBlock block;
  GruSchedule schedule;
};
Scratch& scratch_for(const Gru& g) {
  thread_local Scratch s;
  s.schedule.set(g.mask, static_cast<std::size_t>(g.batch), static_cast<std::size_t>(g.steps), g.reverse);
  return s;
}
}  // namespace

HWY_EXPORT(gru_impl);
HWY_EXPORT(gru_grad_impl);
void gru(const Gru& g, float* states, float* gates) {
  Scratch& s = scratch_for(g);
  HWY_DYNAMIC_DISPATCH(gru_impl)(g, s.schedule, states, gates, s.block);
}
void gru_grad(const Gru& g, const float* states, const float* gates, const float* dy, const GruGrad& to) {
  Scratch& s = scratch_for(g);
  HWY_DYNAMIC_DISPATCH(gru_grad_impl)(g, s.schedule, states, gates, dy, to, s.block);
}
}  // namespace saltus::kernels
#endif  // HWY_ONCE
