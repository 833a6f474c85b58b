#include <algorithm>

#include "ops/broadcast.h"

namespace saltus {

ops::BroadcastLoops::BroadcastLoops(const Shape& a, const Shape& b, const Shape& out) {
  // Strides of both operands on every axis of the output, 0 where they are repeated.
  std::array<std::int64_t, Shape::max_rank> sa{}, sb{};
  std::int64_t run_a = 1, run_b = 1;
  for (int i = 1; i <= out.rank(); ++i) {
    const auto at = static_cast<std::size_t>(out.rank() - i);
    const std::int64_t na = i <= a.rank() ? a[-i] : 1, nb = i <= b.rank() ? b[-i] : 1;
    sa[at] = na == 1 ? 0 : run_a;
    sb[at] = nb == 1 ? 0 : run_b;
    run_a *= na;
    run_b *= nb;
  }
  for (int i = 0; i < out.rank(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (out[i] == 1) continue;
    // Merge with the axis outside it when both operands step through the two as through one.
    const auto last = static_cast<std::size_t>(rank - 1);
    if (rank > 0 && stride_a[last] == sa[at] * out[i] && stride_b[last] == sb[at] * out[i]) {
      size[last] *= out[i];
      stride_a[last] = sa[at];
      stride_b[last] = sb[at];
    } else {
      size[static_cast<std::size_t>(rank)] = out[i];
      stride_a[static_cast<std::size_t>(rank)] = sa[at];
      stride_b[static_cast<std::size_t>(rank)] = sb[at];
      ++rank;
    }
  }
  if (rank == 0) {
    rank = 1;
    size[0] = 1;
  }
}

namespace {

// attrs.i: the output's sizes; attrs.f[0]: its rank
Shape target(const Attrs& attrs) {
  return Shape(std::span<const std::int64_t>(attrs.i.data(), static_cast<std::size_t>(attrs.f[0])));
}

Shape shape(const ShapeArgs& a) {
  const Shape to = target(a.attrs);
  check(broadcast(a.shape(0), to) == to, "{} does not broadcast to {}", a.shape(0), to);
  return to;
}

std::vector<Var> vjp(const VjpArgs& a) { return {sum_to(a.dy, a.in[0].shape())}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  if (k.shape().size() == 0) return;
  const ops::BroadcastLoops loops(k.shape(0), k.shape(), k.shape());
  loops.for_each_row([&](std::int64_t from, std::int64_t, std::int64_t to) {
    for (std::int64_t i = 0; i < loops.row_size(); ++i) k.y()[to + i] = k.f(0)[from + i * loops.row_stride_a()];
  });
}

Var over_runs(std::span<const Var> in, const Attrs& attrs) {
  const Shape to = target(attrs).inserted(0, in[0].shape()[0]);
  Shape from = in[0].shape();
  while (from.rank() < to.rank()) from = from.inserted(1, 1);
  return broadcast_to(reshape(in[0], from), to);
}

}  // namespace

extern const OpDef broadcast_to_op = {.name = "broadcast_to",
                                      .shape = shape,
                                      .vjp = vjp,
                                      .reference_f32 = reference<float>,
                                      .reference_f64 = reference<double>,
                                      .over_runs = over_runs};

Var broadcast_to(Var x, Shape shape) {
  if (x.shape() == shape) return x;
  Attrs attrs{.f = {static_cast<double>(shape.rank())}};
  std::copy(shape.dims().begin(), shape.dims().end(), attrs.i.begin());
  return ops::record<broadcast_to_op>({x}, attrs);
}

std::vector<Var> ops::for_each_run(std::span<const Var> in) {
  std::int64_t runs = 1;
  for (Var v : in) runs = std::max(runs, v.shape()[0]);
  std::vector<Var> all;
  for (Var v : in) all.push_back(broadcast_to(v, v.shape().with(0, runs)));
  return all;
}

Var sum_to(Var x, const Shape& shape) {
  while (x.shape().rank() > shape.rank()) x = sum(x, 0);
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1 && x.shape()[i] != 1) x = sum(x, i, true);
  }
  return x;
}

}  // namespace saltus
