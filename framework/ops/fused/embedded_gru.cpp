#include "kernels/embedded_gru.h"

#include <algorithm>
#include <vector>

#include "ops/op_util.h"

namespace saltus {

extern const OpDef gru_op, gru_states_op, gru_grad_op;  // gru.cpp

namespace {

// Three ops, as of gru: `embedded_gru` gives in one row the states [batch, T, 2h] and then both directions' gates,
// [2, T, batch, 4, h]; `embedded_gru_states` is the states; `embedded_gru_grad` is the way back. Their meaning is that
// of gru on rows of the table.

// Operands of embedded_gru_grad; embedded_gru has those up to the last weight. A direction has four weights.
enum { table_, ids_, mask_, W_, U_, b_, c_, weights_ = 4, row_ = W_ + 2 * weights_, dy_ };

/// Sizes of one call, with the operands checked.
struct Sizes {
  std::int64_t batch, steps, rows, inputs, units;

  template <class Args>  // of a shape rule or a kernel
  explicit Sizes(const Args& a) {
    const Shape &table = a.shape(table_), &ids = a.shape(ids_), &mask = a.shape(mask_), &U = a.shape(U_);
    check(table.rank() == 2, "the table must be [V, E], got {}", table);
    check(ids.rank() == 2, "ids must be [batch, T], got {}", ids);
    check(mask == ids, "mask must be {}, got {}", ids, mask);
    check(U.rank() == 2 && U[0] >= 1 && U[1] == 3 * U[0], "U must be [h, 3 h], got {}", U);
    batch = ids[0], steps = ids[1], rows = table[0], inputs = table[1], units = U[0];
    const Shape gates = {3 * units};
    for (int first : {0, int{weights_}}) {
      const Shape &W = a.shape(W_ + first), &b = a.shape(b_ + first), &c = a.shape(c_ + first);
      check(W == Shape{inputs, 3 * units}, "W must be [{}, {}], got {}", inputs, 3 * units, W);
      check(a.shape(U_ + first) == U, "U must be {} both ways, got {}", U, a.shape(U_ + first));
      check(b == gates && c == gates, "b and c must be {}, got {} and {}", gates, b, c);
    }
  }

  /// Of one direction.
  std::int64_t states() const { return batch * steps * units; }
  std::int64_t gates() const { return 4 * states(); }
  /// Where one direction's gates begin in embedded_gru's row.
  std::int64_t first_gate(int way) const { return 2 * states() + way * gates(); }
  /// Where in embedded_gru_grad's row each gradient begins, in the order of the operands: dtable, forwards dW, dU, db,
  /// dc, backwards the same, and the end.
  std::vector<std::int64_t> gradients() const {
    std::vector<std::int64_t> first = {0, rows * inputs};
    for (int way = 0; way < 2; ++way) {
      for (std::int64_t n : {inputs, units, std::int64_t{1}, std::int64_t{1}}) {
        first.push_back(first.back() + n * 3 * units);
      }
    }
    return first;
  }
};

Shape shape(const ShapeArgs& a) { return {10 * Sizes(a).states()}; }

Shape states_shape(const ShapeArgs& a) {
  const Shape &ids = a.shape(1 + ids_), &U = a.shape(1 + U_);
  return {ids[0], ids[1], 2 * U[0]};
}

Shape grad_shape(const ShapeArgs& a) {
  const Sizes s(a);
  const Shape y = {s.batch, s.steps, 2 * s.units};
  check(a.shape(dy_) == y, "dy must be {}, got {}", y, a.shape(dy_));
  return {s.gradients().back()};
}

// ---- In plain ops

Var flat(Var x) { return reshape(x, {x.shape().size()}); }

Var decompose(std::span<const Var> in, const Attrs&) {
  Graph& graph = *in[table_].graph;
  const Var x = take(in[table_], in[ids_]);  // [batch, T, E]
  std::vector<Var> states, gates;
  for (std::int64_t way : {0, 1}) {
    const std::span<const Var> weights = in.subspan(static_cast<std::size_t>(W_ + way * weights_), weights_);
    const std::vector<Var> operands = {x, weights[0], weights[1], weights[2], weights[3], in[mask_]};
    const Var row = graph.record(gru_op, operands, {.i = {way}});  // [5 batch T h]
    std::vector<Var> with_row = operands;
    with_row.insert(with_row.begin(), row);
    states.push_back(graph.record(gru_states_op, with_row, {.i = {way}}));  // [batch, T, h]
    gates.push_back(slice(row, 0, states.back().shape().size(), row.shape().size()));
  }
  return concat({flat(concat(states, 2)), gates[0], gates[1]}, 0);
}

Var decompose_grad(std::span<const Var> in, const Attrs&) {
  const std::int64_t h = in[U_].shape()[0];
  const Var x = take(in[table_], in[ids_]);  // [batch, T, E]
  const std::int64_t n = x.shape().size();
  std::vector<Var> parts;
  Var dx;  // [batch, T, E]
  for (std::int64_t way : {0, 1}) {
    const std::span<const Var> w = in.subspan(static_cast<std::size_t>(W_ + way * weights_), weights_);
    const Var dy = slice(in[dy_], 2, way * h, (way + 1) * h);                         // [batch, T, h]
    const Var packed = gru_grad(x, w[0], w[1], w[2], w[3], in[mask_], dy, way == 1);  // [dx, dW, dU, db, dc]
    const Var dx_way = reshape(slice(packed, 0, 0, n), x.shape());                    // [batch, T, E]
    dx = dx ? dx + dx_way : dx_way;
    parts.push_back(slice(packed, 0, n, packed.shape().size()));
  }
  const Var dtable = scatter_add(dx, in[ids_], in[table_].shape()[0]);  // [V, E]
  return concat({flat(dtable), parts[0], parts[1]}, 0);
}

std::vector<Var> states_vjp(const VjpArgs& v) {
  const std::span<const Var> in = v.in.subspan(1);
  const auto weights = [in](std::size_t i) { return GruWeights{in[i], in[i + 1], in[i + 2], in[i + 3]}; };
  const Var packed = embedded_gru_grad(in[table_], in[ids_], in[mask_], weights(W_), weights(W_ + weights_), v.dy);
  std::vector<Var> d(v.in.size());
  std::int64_t first = 0;
  for (std::size_t i = table_; i < row_; ++i) {  // in the order of the operands
    if (i == ids_ || i == mask_) continue;
    const Shape s = in[i].shape();
    d[1 + i] = reshape(slice(packed, 0, first, first + s.size()), s);
    first += s.size();
  }
  return d;
}

// ---- As loops around gru's reference

template <class Real>
auto reference_of(const OpDef& op) {
  if constexpr (std::is_same_v<Real, double>) {
    return op.reference_f64;
  } else {
    return op.reference_f32;
  }
}

/// A direction's gru on the rows of the table.
template <class Real>
struct Direction {
  const KernelArgs<Real>& k;
  int way;
  Sizes s{k};
  Shape x_shape{s.batch, s.steps, s.inputs}, y_shape{s.batch, s.steps, s.units};
  std::vector<Real> x;  // [batch, T, E]; 0 in the padding

  Direction(const KernelArgs<Real>& args, int direction) : k(args), way(direction) {
    x.resize(static_cast<std::size_t>(x_shape.size()));
    for_each_word([&](std::int64_t word) {
      std::copy_n(k.f(table_) + k.ids(ids_)[word] * s.inputs, s.inputs, x.data() + word * s.inputs);
    });
  }

  template <class F>
  void for_each_word(F f) const {
    for (std::int64_t word = 0; word < s.batch * s.steps; ++word) {
      if (k.f(mask_)[word] != 0) f(word);
    }
  }

  /// What `op` of gru.cpp gives, with `more` operands after the mask.
  std::vector<Real> result(const OpDef& op, std::vector<Operand> more, std::int64_t size) {
    std::vector<Operand> in = {{&x_shape, x.data()}};
    for (int i = 0; i < weights_; ++i) in.push_back(k.in[static_cast<std::size_t>(W_ + way * weights_ + i)]);
    in.push_back(k.in[mask_]);
    in.insert(in.end(), more.begin(), more.end());
    std::vector<Real> row(static_cast<std::size_t>(size));
    const Shape row_shape = {size};
    reference_of<Real>(op)({in, {&row_shape, row.data()}, {.i = {way}}});
    return row;
  }

  /// This direction's half [batch, T, h] of y [batch, T, 2h].
  void copy_half(const Real* y, Real* half) const {
    for (std::int64_t word = 0; word < s.batch * s.steps; ++word) {
      std::copy_n(y + (2 * word + way) * s.units, s.units, half + word * s.units);
    }
  }
};

template <class Real>
void reference(const KernelArgs<Real>& k) {
  for (int way : {0, 1}) {
    Direction<Real> d(k, way);
    const Sizes& s = d.s;
    const std::vector<Real> row = d.result(gru_op, {}, s.states() + s.gates());
    for (std::int64_t word = 0; word < s.batch * s.steps; ++word) {
      std::copy_n(row.data() + word * s.units, s.units, k.y() + (2 * word + way) * s.units);
    }
    std::copy_n(row.data() + s.states(), s.gates(), k.y() + s.first_gate(way));
  }
}

template <class Real>
void reference_grad(const KernelArgs<Real>& k) {
  const std::vector<std::int64_t> first = Sizes(k).gradients();
  std::fill_n(k.y(), first[1], Real(0));
  for (std::size_t way : {0, 1}) {
    Direction<Real> d(k, static_cast<int>(way));
    const Sizes& s = d.s;
    std::vector<Real> row(static_cast<std::size_t>(s.states() + s.gates())), dy(static_cast<std::size_t>(s.states()));
    d.copy_half(k.f(row_), row.data());
    std::copy_n(k.f(row_) + s.first_gate(d.way), s.gates(), row.data() + s.states());
    d.copy_half(k.f(dy_), dy.data());
    const Shape row_shape = {std::ssize(row)};
    const std::size_t begin = 1 + weights_ * way;
    const std::int64_t n_weights = first[begin + weights_] - first[begin];
    const std::vector<Real> grad =
        d.result(gru_grad_op, {{&row_shape, row.data()}, {&d.y_shape, dy.data()}}, d.x_shape.size() + n_weights);
    d.for_each_word([&](std::int64_t word) {
      Real* to = k.y() + k.ids(ids_)[word] * s.inputs;
      for (std::int64_t j = 0; j < s.inputs; ++j) to[j] += grad[static_cast<std::size_t>(word * s.inputs + j)];
    });
    std::copy_n(grad.data() + d.x_shape.size(), n_weights, k.y() + first[begin]);
  }
}

kernels::EmbeddedGru call(const KernelArgs<float>& k) {
  const Sizes s(k);
  kernels::EmbeddedGru g{.batch = s.batch,
                         .steps = s.steps,
                         .rows = s.rows,
                         .inputs = s.inputs,
                         .units = s.units,
                         .table = k.f(table_),
                         .ids = k.ids(ids_),
                         .mask = k.f(mask_),
                         .directions = {}};
  for (int way : {0, 1}) {
    const int first = way * weights_;
    g.directions[way] = {k.f(W_ + first), k.f(U_ + first), k.f(b_ + first), k.f(c_ + first)};
  }
  return g;
}
void cpu(const KernelArgs<float>& k) { kernels::embedded_gru(call(k), k.y(), k.y() + Sizes(k).first_gate(0)); }
void cpu_grad(const KernelArgs<float>& k) {
  const Sizes s(k);
  const std::vector<std::int64_t> first = s.gradients();
  const auto at = [&](std::size_t i) { return k.y() + first[i]; };
  kernels::embedded_gru_grad(call(k), k.f(row_), k.f(row_) + s.first_gate(0), k.f(dy_),
                             {at(0), {{at(1), at(2), at(3), at(4)}, {at(5), at(6), at(7), at(8)}}});
}

// As gru counts, both ways, but for what is done once a word of the vocabulary, at most.
double flops(const Sizes& s, double input_products, double state_products, double gates) {
  const auto E = static_cast<double>(s.inputs), h = static_cast<double>(s.units);
  const auto words = static_cast<double>(s.batch * s.steps);
  const double distinct = std::min(words, static_cast<double>(s.rows));
  return 2 * h * (distinct * input_products * 6 * E + words * (state_products * 6 * h + gates));
}
double forward_flops(const ShapeArgs& a, const Shape&) { return flops(Sizes(a), 1, 1, 14); }
double grad_flops(const ShapeArgs& a, const Shape&) { return flops(Sizes(a), 2, 2, 20 + 3); }  // 3: the sums by word

}  // namespace

extern const OpDef embedded_gru_op = {.name = "embedded_gru",
                                      .shape = shape,
                                      .reference_f32 = reference<float>,
                                      .reference_f64 = reference<double>,
                                      .cpu = cpu,
                                      .decompose = decompose,
                                      .flops = forward_flops,
                                      .index_inputs = 1u << ids_};
extern const OpDef embedded_gru_states_op = {.name = "embedded_gru_states",
                                             .shape = states_shape,
                                             .vjp = states_vjp,
                                             .index_inputs = 1u << (1 + ids_),
                                             .view_offset = [](const ShapeArgs&) -> std::int64_t { return 0; }};
extern const OpDef embedded_gru_grad_op = {.name = "embedded_gru_grad",
                                           .shape = grad_shape,
                                           .reference_f32 = reference_grad<float>,
                                           .reference_f64 = reference_grad<double>,
                                           .cpu = cpu_grad,
                                           .decompose = decompose_grad,
                                           .flops = grad_flops,
                                           .index_inputs = 1u << ids_};

Var embedded_gru(Var table, Var ids, Var mask, const GruWeights& f, const GruWeights& b) {
  const Var row = ops::record<embedded_gru_op>({table, ids, mask, f.W, f.U, f.b, f.c, b.W, b.U, b.b, b.c});
  return ops::record<embedded_gru_states_op>({row, table, ids, mask, f.W, f.U, f.b, f.c, b.W, b.U, b.b, b.c});
}
Var embedded_gru_grad(Var table, Var ids, Var mask, const GruWeights& f, const GruWeights& b, Var dy) {
  const Var row = ops::record<embedded_gru_op>({table, ids, mask, f.W, f.U, f.b, f.c, b.W, b.U, b.b, b.c});
  return ops::record<embedded_gru_grad_op>({table, ids, mask, f.W, f.U, f.b, f.c, b.W, b.U, b.b, b.c, row, dy});
}

}  // namespace saltus
