#include "kernels/gru.h"

#include <algorithm>
#include <vector>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i[0]: reverse.
//
// Three ops. `gru` computes, and gives in one row the states [batch, T, h] and then the gates r, z, n and q = h U_n +
// c_n, [T, batch, 4, h]; `gru_states` is the states, as a view that costs nothing; `gru_grad` is the way back, from the
// gates that are there. To keep them costs a seventh of the forward pass (measured at E = 64, h = 48, batch 64, T 128);
// to make them again in gru_grad would cost most of one. gru_states has all operands besides the row, so that its
// gradient rule is gru_grad's whole answer and no cotangent of the gates is ever made. The mask is data: no gradient
// goes to it.

enum { x_, W_, U_, b_, c_, mask_, row_, dy_ };  // operands of gru_grad; gru has those up to the mask

/// Sizes of one call, with the operands checked.
struct Sizes {
  std::int64_t batch, steps, inputs, units;

  Sizes(const Shape& x, const Shape& W, const Shape& U, const Shape& b, const Shape& c, const Shape& mask) {
    check(x.rank() == 3, "x must be [batch, T, E], got {}", x);
    batch = x[0], steps = x[1], inputs = x[2];
    check(U.rank() == 2 && U[0] >= 1 && U[1] == 3 * U[0], "U must be [h, 3 h], got {}", U);
    units = U[0];
    const Shape gates = {3 * units};
    check(W == Shape{inputs, 3 * units}, "W must be [{}, {}], got {}", inputs, 3 * units, W);
    check(b == gates && c == gates, "b and c must be {}, got {} and {}", gates, b, c);
    check(mask == Shape{batch, steps}, "mask must be [{}, {}], got {}", batch, steps, mask);
  }
  template <class Args>  // of a shape rule or a kernel
  explicit Sizes(const Args& a)
      : Sizes(a.shape(x_), a.shape(W_), a.shape(U_), a.shape(b_), a.shape(c_), a.shape(mask_)) {}

  std::int64_t states() const { return batch * steps * units; }
  /// Where in gru_grad's row each gradient begins: dx, dW, dU, db, dc, and the end.
  std::vector<std::int64_t> gradients() const {
    const std::int64_t W = batch * steps * inputs, U = W + inputs * 3 * units, b = U + units * 3 * units;
    return {0, W, U, b, b + 3 * units, b + 6 * units};
  }
};

Shape shape(const ShapeArgs& a) { return {5 * Sizes(a).states()}; }

Shape states_shape(const ShapeArgs& a) {
  const Shape &x = a.shape(1), &U = a.shape(1 + U_);
  return {x[0], x[1], U[0]};
}

Shape grad_shape(const ShapeArgs& a) {
  const Sizes s(a);
  const Shape y = {s.batch, s.steps, s.units};
  check(a.shape(dy_) == y, "dy must be {}, got {}", y, a.shape(dy_));
  return {s.gradients().back()};
}

// ---- In plain ops

Var flat(Var x) { return reshape(x, {x.shape().size()}); }
/// Gate or block i of [batch, n h].
Var block(Var x, std::int64_t i, std::int64_t h) { return slice(x, 1, i * h, (i + 1) * h); }

/// The recurrence, unrolled; what each word's step is made of, by place t. All are [batch, h], the mask [batch, 1].
/// Padding is all read before the words or all after them, so that a state of 0 there is as good as one that is kept.
struct Unrolled {
  std::vector<std::int64_t> order;                   // of t
  std::vector<Var> mask, before, after, r, z, n, q;  // before, after: h

  Unrolled(std::span<const Var> in, bool reverse) {
    const Shape x = in[x_].shape();
    const std::int64_t B = x[0], T = x[1], h = in[U_].shape()[0];
    for (std::int64_t i = 0; i < T; ++i) order.push_back(reverse ? T - 1 - i : i);
    for (auto* list : {&mask, &before, &after, &r, &z, &n, &q}) list->resize(static_cast<std::size_t>(T));
    const Var xW = matmul(in[x_], in[W_]) + in[b_];               // [batch, T, 3h]
    Var state = broadcast_to(in[x_].graph->constant(0), {B, h});  // [batch, h]
    for (std::int64_t t : order) {
      const auto i = static_cast<std::size_t>(t);
      const Var a = reshape(slice(xW, 1, t, t + 1), {B, 3 * h});  // [batch, 3h]
      const Var hU = matmul(state, in[U_]) + in[c_];              // [batch, 3h]
      mask[i] = detach(slice(in[mask_], 1, t, t + 1));
      before[i] = state;
      r[i] = sigmoid(block(a, 0, h) + block(hU, 0, h));
      z[i] = sigmoid(block(a, 1, h) + block(hU, 1, h));
      q[i] = block(hU, 2, h);
      n[i] = tanh(block(a, 2, h) + r[i] * q[i]);
      state = after[i] = ((1.0 - z[i]) * n[i] + z[i] * state) * mask[i];
    }
  }
};

Var decompose(std::span<const Var> in, const Attrs& attrs) {
  const Unrolled u(in, attrs.i[0] != 0);
  std::vector<Var> states, gates;
  for (std::size_t t = 0; t < u.order.size(); ++t) {
    states.push_back(reshape(u.after[t], u.after[t].shape().inserted(1, 1)));  // [batch, 1, h]
    gates.push_back(flat(concat({u.r[t], u.z[t], u.n[t], u.q[t]}, 1) * u.mask[t]));
  }
  return concat({flat(concat(states, 1)), concat(gates, 0)}, 0);
}

Var decompose_grad(std::span<const Var> in, const Attrs& attrs) {
  const Unrolled u(in, attrs.i[0] != 0);
  const Var x = in[x_], W = in[W_], U = in[U_];
  const std::int64_t B = x.shape()[0], h = U.shape()[0];
  Var dh, dU, dc;                       // [batch, h], [h, 3h], [3h]
  std::vector<Var> da(u.order.size());  // by t: [batch, 1, 3h], on the way into the gates from x W
  for (auto at = u.order.rbegin(); at != u.order.rend(); ++at) {
    const auto t = static_cast<std::size_t>(*at);
    const Var m = u.mask[t], r = u.r[t], z = u.z[t], n = u.n[t];
    const Var dy = reshape(slice(in[dy_], 1, *at, *at + 1), {B, h});  // [batch, h]
    const Var dafter = m * (dh ? dy + dh : dy);                       // [batch, h]
    const Var dn = dafter * (1.0 - z) * (1.0 - n * n);                // [batch, h]
    const Var dz = dafter * (u.before[t] - n) * z * (1.0 - z);        // [batch, h]
    const Var dr = dn * u.q[t] * r * (1.0 - r);                       // [batch, h]
    const Var dg = concat({dr, dz, dn * r}, 1);                       // [batch, 3h]
    da[t] = reshape(concat({dr, dz, dn}, 1), {B, 1, 3 * h});
    dh = dafter * z + matmul(dg, U, false, true);
    const Var dU_t = matmul(u.before[t], dg, true), dc_t = sum(dg, 0);  // [h, 3h], [3h]
    dU = dU ? dU + dU_t : dU_t, dc = dc ? dc + dc_t : dc_t;
  }
  const Var dA = concat(da, 1);                                                    // [batch, T, 3h]
  const Var rows = reshape(dA, {dA.shape()[0] * dA.shape()[1], 3 * h});            // [batch T, 3h]
  const Var dW = matmul(reshape(x, {rows.shape()[0], x.shape()[2]}), rows, true);  // [E, 3h]
  return concat({flat(matmul(dA, W, false, true)), flat(dW), flat(dU), sum(rows, 0), dc}, 0);
}

std::vector<Var> states_vjp(const VjpArgs& v) {
  const std::span<const Var> in = v.in.subspan(1);
  const Var packed = gru_grad(in[x_], in[W_], in[U_], in[b_], in[c_], in[mask_], v.dy, v.attrs.i[0] != 0);
  std::vector<Var> d(v.in.size());
  std::int64_t first = 0;
  for (std::size_t i = x_; i < mask_; ++i) {  // in the order of the operands
    const Shape s = in[i].shape();
    d[1 + i] = reshape(slice(packed, 0, first, first + s.size()), s);
    first += s.size();
  }
  return d;
}

// ---- As loops

/// One sequence's row of a gate array [3h] for row [n] times matrix [n, 3h], plus a bias.
template <class Real>
void gate_inputs(const Real* row, std::int64_t n, const Real* matrix, const Real* bias, std::vector<Real>& out) {
  const auto columns = static_cast<std::int64_t>(out.size());
  for (std::int64_t j = 0; j < columns; ++j) {
    Real& a = out[static_cast<std::size_t>(j)] = bias[j];
    for (std::int64_t k = 0; k < n; ++k) a += row[k] * matrix[k * columns + j];
  }
}

template <class Real>
Real logistic(Real v) {
  return 1 / (1 + std::exp(-v));
}

/// Calls f(t) for every word of sequence b, in the order in which they are read.
template <class Real, class F>
void for_each_word(const KernelArgs<Real>& k, std::int64_t b, F f) {
  const std::int64_t T = k.shape(x_)[1];
  for (std::int64_t i = 0; i < T; ++i) {
    const std::int64_t t = k.attrs.i[0] ? T - 1 - i : i;
    if (k.f(mask_)[b * T + t] != 0) f(t);
  }
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const Sizes s(k);
  const auto h = static_cast<std::size_t>(s.units);
  std::fill_n(k.y(), k.shape().size(), Real(0));
  std::vector<Real> state(h), a(3 * h), hU(3 * h);
  for (std::int64_t b = 0; b < s.batch; ++b) {
    std::fill(state.begin(), state.end(), Real(0));
    for_each_word(k, b, [&](std::int64_t t) {
      const std::int64_t word = b * s.steps + t;
      Real* gates = k.y() + s.states() + (t * s.batch + b) * 4 * s.units;
      gate_inputs(k.f(x_) + word * s.inputs, s.inputs, k.f(W_), k.f(b_), a);
      gate_inputs(state.data(), s.units, k.f(U_), k.f(c_), hU);
      for (std::size_t j = 0; j < h; ++j) {
        const Real r = logistic(a[j] + hU[j]), z = logistic(a[h + j] + hU[h + j]), q = hU[2 * h + j];
        const Real n = std::tanh(a[2 * h + j] + r * q);
        state[j] = (1 - z) * n + z * state[j];
        gates[j] = r, gates[h + j] = z, gates[2 * h + j] = n, gates[3 * h + j] = q;
      }
      std::copy(state.begin(), state.end(), k.y() + word * s.units);
    });
  }
}

/// Where the gradients lie in gru_grad's row.
template <class Real>
struct Gradients {
  Real *dx, *dW, *dU, *db, *dc;

  explicit Gradients(const KernelArgs<Real>& k) {
    const std::vector<std::int64_t> first = Sizes(k).gradients();
    dx = k.y(), dW = k.y() + first[1], dU = k.y() + first[2], db = k.y() + first[3], dc = k.y() + first[4];
  }
};

/// Adds what flows back through row [n] matrix [n, 3h] from d [3h].
template <class Real>
void products_back(const std::vector<Real>& d, const Real* row, std::int64_t n, const Real* matrix, Real* drow,
                   Real* dmatrix, Real* dbias) {
  const auto columns = static_cast<std::int64_t>(d.size());
  for (std::int64_t j = 0; j < columns; ++j) {
    const Real dj = d[static_cast<std::size_t>(j)];
    dbias[j] += dj;
    for (std::int64_t k = 0; k < n; ++k) {
      drow[k] += dj * matrix[k * columns + j];
      dmatrix[k * columns + j] += dj * row[k];
    }
  }
}

template <class Real>
void reference_grad(const KernelArgs<Real>& k) {
  const Sizes s(k);
  const auto h = static_cast<std::size_t>(s.units);
  const Gradients<Real> to(k);
  std::fill_n(k.y(), k.shape().size(), Real(0));
  const std::vector<Real> start(h, 0);
  std::vector<Real> dh(h), da(3 * h), dg(3 * h);
  for (std::int64_t b = 0; b < s.batch; ++b) {
    std::vector<std::int64_t> places;
    for_each_word(k, b, [&](std::int64_t t) { places.push_back(t); });
    std::fill(dh.begin(), dh.end(), Real(0));
    for (std::size_t i = places.size(); i-- > 0;) {
      const std::int64_t word = b * s.steps + places[i];
      const Real* before = i ? k.f(row_) + (b * s.steps + places[i - 1]) * s.units : start.data();
      const Real* gates = k.f(row_) + s.states() + (places[i] * s.batch + b) * 4 * s.units;
      for (std::size_t j = 0; j < h; ++j) {
        const Real r = gates[j], z = gates[h + j], n = gates[2 * h + j], q = gates[3 * h + j];
        const Real d = dh[j] + k.f(dy_)[static_cast<std::size_t>(word) * h + j];
        const Real dn = d * (1 - z) * (1 - n * n);
        da[j] = dg[j] = dn * q * r * (1 - r);
        da[h + j] = dg[h + j] = d * (before[j] - n) * z * (1 - z);
        da[2 * h + j] = dn, dg[2 * h + j] = dn * r;
        dh[j] = d * z;
      }
      products_back(dg, before, s.units, k.f(U_), dh.data(), to.dU, to.dc);
      products_back(da, k.f(x_) + word * s.inputs, s.inputs, k.f(W_), to.dx + word * s.inputs, to.dW, to.db);
    }
  }
}

kernels::Gru call(const KernelArgs<float>& k) {
  const Sizes s(k);
  return {.reverse = k.attrs.i[0] != 0,
          .batch = s.batch,
          .steps = s.steps,
          .inputs = s.inputs,
          .units = s.units,
          .x = k.f(x_),
          .W = k.f(W_),
          .U = k.f(U_),
          .b = k.f(b_),
          .c = k.f(c_),
          .mask = k.f(mask_)};
}
void cpu(const KernelArgs<float>& k) { kernels::gru(call(k), k.y(), k.y() + Sizes(k).states()); }
void cpu_grad(const KernelArgs<float>& k) {
  const Gradients<float> to(k);
  kernels::gru_grad(call(k), k.f(row_), k.f(row_) + Sizes(k).states(), k.f(dy_), {to.dx, to.dW, to.dU, to.db, to.dc});
}

// As if there were no padding: a word's x W and h U, and 14 operations a unit. Back: dx, dW, dh and dU, and 20 a unit.
double flops(const ShapeArgs& a, const Shape&) {
  const Sizes s(a);
  return static_cast<double>(s.states()) * (6.0 * static_cast<double>(s.inputs + s.units) + 14);
}
double grad_flops(const ShapeArgs& a, const Shape&) {
  const Sizes s(a);
  return static_cast<double>(s.states()) * (12.0 * static_cast<double>(s.inputs + s.units) + 20);
}

}  // namespace

extern const OpDef gru_op = {.name = "gru",
                             .shape = shape,
                             .reference_f32 = reference<float>,
                             .reference_f64 = reference<double>,
                             .cpu = cpu,
                             .decompose = decompose,
                             .flops = flops};
extern const OpDef gru_states_op = {.name = "gru_states",
                                    .shape = states_shape,
                                    .vjp = states_vjp,
                                    .view_offset = [](const ShapeArgs&) -> std::int64_t { return 0; }};
extern const OpDef gru_grad_op = {.name = "gru_grad",
                                  .shape = grad_shape,
                                  .reference_f32 = reference_grad<float>,
                                  .reference_f64 = reference_grad<double>,
                                  .cpu = cpu_grad,
                                  .decompose = decompose_grad,
                                  .flops = grad_flops};

Var gru(Var x, Var W, Var U, Var b, Var c, Var mask, bool reverse) {
  const Var row = ops::record<gru_op>({x, W, U, b, c, mask}, {.i = {reverse}});  // [5 batch T h]
  return ops::record<gru_states_op>({row, x, W, U, b, c, mask}, {.i = {reverse}});
}
Var gru_grad(Var x, Var W, Var U, Var b, Var c, Var mask, Var dy, bool reverse) {
  const Var row = ops::record<gru_op>({x, W, U, b, c, mask}, {.i = {reverse}});  // [5 batch T h]
  return ops::record<gru_grad_op>({x, W, U, b, c, mask, row, dy}, {.i = {reverse}});
}

}  // namespace saltus
