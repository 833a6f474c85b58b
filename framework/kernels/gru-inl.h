// The recurrence of a GRU in one direction, which gru.cpp and embedded_gru.cpp share. Included once for each
// instruction set, after hwy/highway.h.
#if defined(SALTUS_KERNELS_GRU_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SALTUS_KERNELS_GRU_INL_H_
#undef SALTUS_KERNELS_GRU_INL_H_
#else
#define SALTUS_KERNELS_GRU_INL_H_
#endif

#include <hwy/cache_control.h>

#include <algorithm>

#include "core/arena.h"
#include "kernels/blocks-inl.h"
#include "kernels/exp-inl.h"
#include "kernels/gemm.h"
#include "kernels/gru_schedule.h"

// Words are computed in the order of GruSchedule. Each step goes over its rows in tiles whose h U stays in the
// first-level cache until the gates and the new states are made of it. On the way back a step makes the cotangents of
// its gates and from them dh of the step before; dU is a product over a chunk of steps. Rows of units are padded with
// zeros to whole vectors: padded units stay 0.

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

/// Hands out arrays of one block of memory, or, without one, counts what it must hold.
struct Arrays {
  float* base;
  std::size_t used = 0;

  float* take(std::size_t floats) {
    float* array = base ? base + used : nullptr;
    used += aligned(floats * sizeof(float)) / sizeof(float);
    return array;
  }
};

/// Gives layout.place() the arrays that it takes; `scratch` grows to what they need.
template <class Layout>
void allot(Layout& layout, AlignedBlock& scratch) {
  Arrays counted{nullptr};
  layout.place(counted);
  if (scratch.bytes() < counted.used * sizeof(float)) scratch = AlignedBlock(counted.used * sizeof(float));
  Arrays arrays{scratch.floats()};
  layout.place(arrays);
}

/// Sizes, and what a call keeps in the scratch memory. p: units padded to whole vectors.
struct Recurrence {
  std::size_t B, T, h, p;
  bool backward;
  std::size_t rows;  // of the largest chunk
  float* U;          // [h, 3p] forwards; its transpose [3p, p], of gates q, r, z, backwards
  float* bias;       // [4, p]: of r, of z, c_n, and b_n
  float* hU;         // [tile_rows, 3p]: h U of the running tile, with its biases
  float* states[2];  // [B, p]: h, or dh, of the running step, by rank; the other one alternates with it
  float* previous;   // [rows, p]: the states before a chunk's words
  float* D;          // [rows, 4p]: cotangents on the way into q, r, z, n
  float *dU, *sums;  // [h, 3p], [4p]

  Recurrence(std::int64_t batch, std::int64_t steps, std::int64_t units, bool is_backward, std::size_t most_rows)
      : B(static_cast<std::size_t>(batch)),
        T(static_cast<std::size_t>(steps)),
        h(static_cast<std::size_t>(units)),
        p((h + lanes - 1) / lanes * lanes),
        backward(is_backward),
        rows(most_rows) {}

  void place(Arrays& a) {
    U = a.take(3 * p * p), bias = a.take(4 * p), hU = a.take(tile_rows * 3 * p);
    states[0] = a.take(B * p), states[1] = a.take(B * p);
    const std::size_t back = backward ? 1 : 0;
    previous = a.take(back * rows * p), D = a.take(back * rows * 4 * p);
    dU = a.take(back * h * 3 * p), sums = a.take(back * 4 * p);
  }
};

/// One direction's part of arrays over the batch: word (b, t) has its units from b T + t times `stride` on.
template <class Float>
struct WordRows {
  Float* first;
  std::size_t stride;
  Float* of(const Recurrence& l, GruSchedule::Word w) const { return first + (w.b * l.T + w.t) * stride; }
};

// [rows, 3h] to [rows, 3p], whose rows are `stride` apart.
inline void pad_gates(const float* from, std::size_t rows, const Recurrence& l, float* to, std::size_t stride) {
  for (std::size_t i = 0; i < rows; ++i, to += stride) {
    for (std::size_t gate = 0; gate < 3; ++gate) {
      float* units = std::copy_n(from + (i * 3 + gate) * l.h, l.h, to + gate * l.p);
      std::fill(units, to + (gate + 1) * l.p, 0.0f);
    }
  }
}

// The way back: [rows, 3p] to [rows, 3h].
inline void unpad_gates(const float* from, std::size_t stride, std::size_t rows, const Recurrence& l, float* to) {
  for (std::size_t i = 0; i < rows; ++i, from += stride) {
    for (std::size_t gate = 0; gate < 3; ++gate) to = std::copy_n(from + gate * l.p, l.h, to);
  }
}

// ---- Tiles

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

// Asks for n floats that are read or written soon, so that they come while something else is computed.
HWY_INLINE void prefetch(const float* x, std::size_t n) {
  constexpr std::size_t line = alignment / sizeof(float);
  for (std::size_t i = 0; i < n; i += line) hwy::Prefetch(x + i);
}

// ---- Forwards

inline void start_forward(const Recurrence& l, const float* U, const float* b, const float* c) {
  pad_gates(U, l.h, l, l.U, 3 * l.p);
  std::fill_n(l.bias, 4 * l.p, 0.0f), std::fill_n(l.states[0], l.B * l.p, 0.0f);
  for (std::size_t j = 0; j < l.h; ++j) {
    for (std::size_t gate = 0; gate < 2; ++gate) l.bias[gate * l.p + j] = b[gate * l.h + j] + c[gate * l.h + j];
    l.bias[2 * l.p + j] = c[2 * l.h + j];
    l.bias[3 * l.p + j] = b[2 * l.h + j];
  }
}

/// One word; its rows of the padded arrays, and where it is written.
struct ForwardWord {
  const float *h, *A, *hU;
  float *next, *state, *gates;
};

HWY_INLINE void gates_forward(const Recurrence& l, const ForwardWord& w) {
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

/// inputs(row, word): x W of a word [3p], the `row`th of the chunk. gates [T, B, 4, h].
template <class Inputs>
void forward_chunk(const GruSchedule& schedule, const GruSchedule::Chunk& chunk, Recurrence& l, Inputs inputs,
                   WordRows<float> states, float* gates) {
  std::size_t row = 0;
  for (std::size_t step = chunk.first; step < chunk.last; ++step) {
    const std::size_t active = schedule.active(step);
    in_tiles(active, [&]<std::size_t rows>(std::size_t first) HWY_ATTR {
      const float* h = l.states[0] + first * l.p;
      for (std::size_t i = 0; i < rows; ++i) {
        const GruSchedule::Word w = schedule.word(step, first + i);
        prefetch(inputs(row + first + i, w), 3 * l.p);
        prefetch(states.of(l, w), l.h), prefetch(gates + (w.t * l.B + w.b) * 4 * l.h, 4 * l.h);
      }
      tile_product<rows>({h, l.p, l.h, l.U, 3 * l.p, l.bias, 0, l.hU, 3 * l.p}, 3 * l.p);
      for (std::size_t i = 0; i < rows; ++i) {
        const GruSchedule::Word w = schedule.word(step, first + i);
        gates_forward(l, {h + i * l.p, inputs(row + first + i, w), l.hU + i * 3 * l.p, l.states[1] + (first + i) * l.p,
                          states.of(l, w), gates + (w.t * l.B + w.b) * 4 * l.h});
      }
    });
    row += active;
    std::swap(l.states[0], l.states[1]);
  }
}

inline void clear_gates_of_padding(const GruSchedule& schedule, const Recurrence& l, float* gates) {
  for (std::size_t t = 0; t < l.T; ++t) {
    for (std::size_t b = 0; b < l.B; ++b, gates += 4 * l.h) {
      if (t >= schedule.length(b)) std::fill_n(gates, 4 * l.h, 0.0f);
    }
  }
}

/// Of an array [B, T, n].
inline void clear_padding(const GruSchedule& schedule, const Recurrence& l, float* rows, std::size_t n) {
  for (std::size_t b = 0; b < l.B; ++b, rows += l.T * n) {
    const std::size_t length = schedule.length(b);
    std::fill_n(rows + length * n, (l.T - length) * n, 0.0f);
  }
}

// ---- Backwards

inline void start_backward(const Recurrence& l, const float* U) {
  std::fill_n(l.U, 3 * l.p * l.p, 0.0f), std::fill_n(l.states[0], l.B * l.p, 0.0f);
  std::fill_n(l.dU, l.h * 3 * l.p, 0.0f), std::fill_n(l.sums, 4 * l.p, 0.0f);
  for (std::size_t gate = 0; gate < 3; ++gate) {
    float* to = l.U + (gate + 1) % 3 * l.p * l.p;  // r, z, n to q, r, z
    for (std::size_t j = 0; j < l.h; ++j) {
      for (std::size_t k = 0; k < l.h; ++k) to[j * l.p + k] = U[(k * 3 + gate) * l.h + j];
    }
  }
}

/// One word on the way back; its rows of the padded arrays.
struct BackwardWord {
  const float *dy, *gates, *previous;
  float *dh, *D;
};

// Cotangents on the way into the gates from dh, in which z dh is left for the step before.
HWY_INLINE void gates_back(const Recurrence& l, const BackwardWord& w) {
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

inline void gather_previous(const GruSchedule& schedule, const GruSchedule::Chunk& chunk, bool reverse,
                            const Recurrence& l, WordRows<const float> states) {
  schedule.for_each_word(chunk, [&](std::size_t row, std::size_t step, GruSchedule::Word w) {
    float* to = l.previous + row * l.p;
    const std::size_t t = reverse ? w.t + 1 : w.t - 1;
    if (step > 0) to = std::copy_n(states.of(l, {w.b, t}), l.h, to);
    std::fill(to, l.previous + (row + 1) * l.p, 0.0f);
  });
}

// sums [4p] += the rows of D, and dU += previous' (dq, dr, dz).
inline void add_chunk(const Recurrence& l, std::size_t rows) {
  for (std::size_t v = 0; v < 4 * l.p; v += 4 * lanes) {
    Vec sum[4];
    SALTUS_UNROLL for (std::size_t j = 0; j < 4; ++j) sum[j] = load(l.sums + v + j * lanes);
    for (std::size_t i = 0; i < rows; ++i) {
      SALTUS_UNROLL for (std::size_t j = 0; j < 4; ++j) sum[j] =
          hn::Add(sum[j], load(l.D + i * 4 * l.p + v + j * lanes));
    }
    SALTUS_UNROLL for (std::size_t j = 0; j < 4; ++j) store(sum[j], l.sums + v + j * lanes);
  }
  const auto p = static_cast<std::int64_t>(l.p);
  gemm({.trans_a = true,
        .m = static_cast<std::int64_t>(l.h),
        .n = 3 * p,
        .k = static_cast<std::int64_t>(rows),
        .a = l.previous,
        .lda = p,
        .b = l.D,
        .ldb = 4 * p,
        .c = l.dU,
        .ldc = 3 * p,
        .accumulate = true});
}

/// A chunk's steps, last to first: its rows of D, and what they add to dU and to the sums.
inline void backward_chunk(const GruSchedule& schedule, const GruSchedule::Chunk& chunk, const Recurrence& l,
                           const float* gates, WordRows<const float> dy) {
  std::size_t row = chunk.rows;
  for (std::size_t step = chunk.last; step-- > chunk.first;) {
    row -= schedule.active(step);
    in_tiles(schedule.active(step), [&]<std::size_t rows>(std::size_t first) HWY_ATTR {
      float *dh = l.states[0] + first * l.p, *D = l.D + (row + first) * 4 * l.p;
      for (std::size_t i = 0; step > 0 && i < rows; ++i) {  // for the step that comes next
        const GruSchedule::Word w = schedule.word(step - 1, first + i);
        prefetch(dy.of(l, w), l.h), prefetch(gates + (w.t * l.B + w.b) * 4 * l.h, 4 * l.h);
      }
      for (std::size_t i = 0; i < rows; ++i) {
        const GruSchedule::Word w = schedule.word(step, first + i);
        gates_back(l, {dy.of(l, w), gates + (w.t * l.B + w.b) * 4 * l.h, l.previous + (row + first + i) * l.p,
                       dh + i * l.p, D + i * 4 * l.p});
      }
      tile_product<rows>({D, 4 * l.p, 3 * l.p, l.U, l.p, dh, l.p, dh, l.p}, l.p);  // dh += (dq, dr, dz) U'
    });
  }
  add_chunk(l, chunk.rows);
}

/// After all chunks.
inline void put_gradients(const Recurrence& l, float* dU, float* db, float* dc) {
  unpad_gates(l.sums + l.p, 0, 1, l, db);
  for (std::size_t gate = 0; gate < 3; ++gate) {  // D's order is q, r, z, n
    const std::size_t after = (gate + 1) % 3 * l.p;
    for (std::size_t i = 0; i < l.h; ++i) std::copy_n(l.dU + i * 3 * l.p + after, l.h, dU + (i * 3 + gate) * l.h);
    std::copy_n(l.sums + after, l.h, dc + gate * l.h);
  }
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
