#include "kernels/gru.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/gru.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "kernels/gru-inl.h"

// x W of a chunk of steps is one product before them, dW and dx are products after them.

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {

/// What a call keeps in the scratch memory.
struct GruLayout {
  std::size_t E;
  Recurrence recurrence;
  float* W;        // [E, 3p]
  float *X, *A;    // [rows, E], [rows, 3p]: a chunk's x, and x W
  float *dX, *dW;  // [rows, E], [E, 3p]

  GruLayout(const Gru& g, const GruSchedule& schedule, bool backward, AlignedBlock& scratch)
      : E(static_cast<std::size_t>(g.inputs)), recurrence(g.batch, g.steps, g.units, backward, schedule.most_rows()) {
    allot(*this, scratch);
    pad_gates(g.W, E, recurrence, W, 3 * recurrence.p);
  }

  void place(Arrays& a) {
    recurrence.place(a);
    const std::size_t rows = recurrence.rows, gates = 3 * recurrence.p, back = recurrence.backward ? 1 : 0;
    W = a.take(E * gates), X = a.take(rows * E), A = a.take((1 - back) * rows * gates);
    dX = a.take(back * rows * E), dW = a.take(back * E * gates);
  }
};

void gather_inputs(const Gru& g, const GruSchedule& schedule, const GruSchedule::Chunk& chunk, const GruLayout& l) {
  const WordRows<const float> x{g.x, l.E};
  schedule.for_each_word(chunk, [&](std::size_t row, std::size_t, GruSchedule::Word w) {
    std::copy_n(x.of(l.recurrence, w), l.E, l.X + row * l.E);
  });
}

void gru_impl(const Gru& g, const GruSchedule& schedule, float* states, float* gates, AlignedBlock& scratch) {
  GruLayout l(g, schedule, false, scratch);
  Recurrence& r = l.recurrence;
  const WordRows<float> to{states, r.h};
  const std::size_t columns = 3 * r.p;
  start_forward(r, g.U, g.b, g.c);
  for (const GruSchedule::Chunk& chunk : schedule.chunks()) {
    gather_inputs(g, schedule, chunk, l);
    const auto gate_columns = static_cast<std::int64_t>(columns);
    gemm({.m = static_cast<std::int64_t>(chunk.rows),
          .n = gate_columns,
          .k = g.inputs,
          .a = l.X,
          .lda = g.inputs,
          .b = l.W,
          .ldb = gate_columns,
          .c = l.A,
          .ldc = gate_columns});
    const auto inputs = [&](std::size_t row, GruSchedule::Word) { return l.A + row * columns; };
    forward_chunk(schedule, chunk, r, inputs, to, gates);
  }
  clear_padding(schedule, r, states, r.h);
  clear_gates_of_padding(schedule, r, gates);
}

// dW += X' (dr, dz, dn), dX = (dr, dz, dn) W'.
void input_products(const Gru& g, const GruLayout& l, std::size_t chunk_rows) {
  const auto p = static_cast<std::int64_t>(l.recurrence.p), rows = static_cast<std::int64_t>(chunk_rows);
  const float* D = l.recurrence.D + p;
  gemm({.trans_a = true,
        .m = g.inputs,
        .n = 3 * p,
        .k = rows,
        .a = l.X,
        .lda = g.inputs,
        .b = D,
        .ldb = 4 * p,
        .c = l.dW,
        .ldc = 3 * p,
        .accumulate = true});
  gemm({.trans_b = true,
        .m = rows,
        .n = g.inputs,
        .k = 3 * p,
        .a = D,
        .lda = 4 * p,
        .b = l.W,
        .ldb = 3 * p,
        .c = l.dX,
        .ldc = g.inputs});
}

void gru_grad_impl(const Gru& g, const GruSchedule& schedule, const float* states, const float* gates, const float* dy,
                   const GruGrad& to, AlignedBlock& scratch) {
  const GruLayout l(g, schedule, true, scratch);
  const Recurrence& r = l.recurrence;
  const WordRows<float> dx{to.dx, l.E};
  start_backward(r, g.U);
  std::fill_n(l.dW, l.E * 3 * r.p, 0.0f);
  for (auto chunk = schedule.chunks().rbegin(); chunk != schedule.chunks().rend(); ++chunk) {
    gather_inputs(g, schedule, *chunk, l);
    gather_previous(schedule, *chunk, g.reverse, r, {states, r.h});
    backward_chunk(schedule, *chunk, r, gates, {dy, r.h});
    input_products(g, l, chunk->rows);
    schedule.for_each_word(*chunk, [&](std::size_t row, std::size_t, GruSchedule::Word w) {
      std::copy_n(l.dX + row * l.E, l.E, dx.of(r, w));
    });
  }
  clear_padding(schedule, r, to.dx, l.E);
  unpad_gates(l.dW, 3 * r.p, l.E, r, to.dW);
  put_gradients(r, to.dU, to.db, to.dc);
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
