#include "kernels/embedded_gru.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/embedded_gru.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/gru-inl.h"
#include "kernels/word_numbers.h"

// The K distinct words of the batch are numbered. x W is a product over K rows, from which the recurrence reads by
// number; its cotangents are summed by number, and dW and the table's gradient are products of both directions' sums.

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {

/// What a call keeps in the scratch memory; the directions take turns with `recurrence`.
struct EmbeddedLayout {
  std::size_t E, K;
  Recurrence recurrence;
  std::size_t columns;  // 6p: r, z, n of each direction
  float* W;             // [E, 6p]
  float *X, *A;         // [K, E], [K, 6p]: the words' rows of the table, and x W, or its cotangent
  float *dX, *dW;       // [K, E], [E, 6p]

  EmbeddedLayout(const EmbeddedGru& g, const WordNumbers& words, bool backward, std::size_t most_rows,
                 AlignedBlock& scratch)
      : E(static_cast<std::size_t>(g.inputs)),
        K(words.size()),
        recurrence(g.batch, g.steps, g.units, backward, most_rows),
        columns(6 * recurrence.p) {
    allot(*this, scratch);
    for (std::size_t way = 0; way < 2; ++way) pad_gates(g.directions[way].W, E, recurrence, W + first(way), columns);
    for (std::size_t i = 0; i < K; ++i) std::copy_n(g.table + words.id(i) * E, E, X + i * E);
  }

  void place(Arrays& a) {
    recurrence.place(a);
    const std::size_t back = recurrence.backward ? 1 : 0;
    W = a.take(E * columns), X = a.take(K * E), A = a.take(K * columns);
    dX = a.take(back * K * E), dW = a.take(back * E * columns);
  }

  /// A direction's columns.
  std::size_t first(std::size_t way) const { return way * 3 * recurrence.p; }
  std::size_t gates(std::size_t way) const { return way * recurrence.B * recurrence.T * 4 * recurrence.h; }
};

void embedded_gru_impl(const EmbeddedGru& g, const GruSchedule* schedules, const WordNumbers& words, float* states,
                       float* gates, AlignedBlock& scratch) {
  EmbeddedLayout l(g, words, false, schedules[0].most_rows(), scratch);
  Recurrence& r = l.recurrence;
  for (std::size_t way = 0; way < 2; ++way) {
    const GruSchedule& schedule = schedules[way];
    const EmbeddedGru::Direction& d = g.directions[way];
    const WordRows<float> to{states + way * r.h, 2 * r.h};
    const float* A = l.A + l.first(way);
    const auto inputs = [&](std::size_t, GruSchedule::Word w) { return A + words.number(w) * l.columns; };
    // A product a direction, so that gemm chooses as it does for gru: the bits of a word are the same.
    gemm({.m = static_cast<std::int64_t>(l.K),
          .n = static_cast<std::int64_t>(3 * r.p),
          .k = g.inputs,
          .a = l.X,
          .lda = g.inputs,
          .b = l.W + l.first(way),
          .ldb = static_cast<std::int64_t>(l.columns),
          .c = l.A + l.first(way),
          .ldc = static_cast<std::int64_t>(l.columns)});
    start_forward(r, d.U, d.b, d.c);
    for (const GruSchedule::Chunk& chunk : schedule.chunks()) {
      forward_chunk(schedule, chunk, r, inputs, to, gates + l.gates(way));
    }
    clear_gates_of_padding(schedule, r, gates + l.gates(way));
  }
  clear_padding(schedules[0], r, states, 2 * r.h);
}

// A chunk's cotangents on the way into r, z and n to its words' sums, in the order of the chunk's rows.
void add_by_word(const GruSchedule& schedule, const GruSchedule::Chunk& chunk, const WordNumbers& words,
                 const EmbeddedLayout& l, std::size_t way) {
  const Recurrence& r = l.recurrence;
  schedule.for_each_word(chunk, [&](std::size_t row, std::size_t, GruSchedule::Word w) HWY_ATTR {
    const float* from = r.D + row * 4 * r.p + r.p;
    float* to = l.A + words.number(w) * l.columns + l.first(way);
    for (std::size_t v = 0; v < 3 * r.p; v += lanes) store(hn::Add(load(to + v), load(from + v)), to + v);
  });
}

// dW = X' dA, dX = dA W'.
void input_products(const EmbeddedGru& g, const EmbeddedLayout& l) {
  const auto columns = static_cast<std::int64_t>(l.columns), K = static_cast<std::int64_t>(l.K);
  gemm({.trans_a = true,
        .m = g.inputs,
        .n = columns,
        .k = K,
        .a = l.X,
        .lda = g.inputs,
        .b = l.A,
        .ldb = columns,
        .c = l.dW,
        .ldc = columns});
  gemm({.trans_b = true,
        .m = K,
        .n = g.inputs,
        .k = columns,
        .a = l.A,
        .lda = columns,
        .b = l.W,
        .ldb = columns,
        .c = l.dX,
        .ldc = g.inputs});
}

void embedded_gru_grad_impl(const EmbeddedGru& g, const GruSchedule* schedules, const WordNumbers& words,
                            const float* states, const float* gates, const float* dy, const EmbeddedGruGrad& to,
                            AlignedBlock& scratch) {
  const EmbeddedLayout l(g, words, true, schedules[0].most_rows(), scratch);
  const Recurrence& r = l.recurrence;
  std::fill_n(l.A, l.K * l.columns, 0.0f);
  for (std::size_t way = 0; way < 2; ++way) {
    const GruSchedule& schedule = schedules[way];
    start_backward(r, g.directions[way].U);
    for (auto chunk = schedule.chunks().rbegin(); chunk != schedule.chunks().rend(); ++chunk) {
      gather_previous(schedule, *chunk, way == 1, r, {states + way * r.h, 2 * r.h});
      backward_chunk(schedule, *chunk, r, gates + l.gates(way), {dy + way * r.h, 2 * r.h});
      add_by_word(schedule, *chunk, words, l, way);
    }
    put_gradients(r, to.directions[way].dU, to.directions[way].db, to.directions[way].dc);
  }
  input_products(g, l);
  for (std::size_t way = 0; way < 2; ++way) {
    unpad_gates(l.dW + l.first(way), l.columns, l.E, r, to.directions[way].dW);
  }
  std::fill_n(to.dtable, g.rows * g.inputs, 0.0f);
  for (std::size_t i = 0; i < l.K; ++i) std::copy_n(l.dX + i * l.E, l.E, to.dtable + words.id(i) * l.E);
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {
namespace {
/// Grows to what the largest call of this thread needs: a plan's calls allocate in its first runs only.
struct Scratch {
  AlignedBlock block;
  GruSchedule schedules[2];  // forwards, backwards
  WordNumbers words;
};
Scratch& scratch_for(const EmbeddedGru& g) {
  thread_local Scratch s;
  const auto batch = static_cast<std::size_t>(g.batch), steps = static_cast<std::size_t>(g.steps);
  for (const bool reverse : {false, true}) s.schedules[reverse ? 1 : 0].set(g.mask, batch, steps, reverse);
  s.words.set(g.ids, s.schedules[0], batch, steps, static_cast<std::size_t>(g.rows));
  return s;
}
}  // namespace

HWY_EXPORT(embedded_gru_impl);
HWY_EXPORT(embedded_gru_grad_impl);
void embedded_gru(const EmbeddedGru& g, float* states, float* gates) {
  Scratch& s = scratch_for(g);
  HWY_DYNAMIC_DISPATCH(embedded_gru_impl)(g, s.schedules, s.words, states, gates, s.block);
}
void embedded_gru_grad(const EmbeddedGru& g, const float* states, const float* gates, const float* dy,
                       const EmbeddedGruGrad& to) {
  Scratch& s = scratch_for(g);
  HWY_DYNAMIC_DISPATCH(embedded_gru_grad_impl)(g, s.schedules, s.words, states, gates, dy, to, s.block);
}
}  // namespace saltus::kernels
#endif  // HWY_ONCE
