#pragma once
#include "ops/op_util.h"

/// Broadcasting for elementwise ops of two operands.
namespace saltus::ops {

/// The loop nest over a broadcast pair: axes merged where both operands allow, the innermost axis last.
struct BroadcastLoops {
  int rank = 0;
  std::array<std::int64_t, Shape::max_rank> size{}, stride_a{}, stride_b{};

  BroadcastLoops(const Shape& a, const Shape& b, const Shape& out);

  /// Calls f(offset_a, offset_b, offset_out) once for every position of all axes but the innermost.
  template <class F>
  void for_each_row(F f) const {
    std::array<std::int64_t, Shape::max_rank> at{};
    std::int64_t a = 0, b = 0, out = 0;
    const std::int64_t row = size[static_cast<std::size_t>(rank - 1)];
    while (true) {
      f(a, b, out);
      out += row;
      int axis = rank - 2;
      for (; axis >= 0; --axis) {
        const auto i = static_cast<std::size_t>(axis);
        a += stride_a[i];
        b += stride_b[i];
        if (++at[i] < size[i]) break;
        a -= stride_a[i] * size[i];
        b -= stride_b[i] * size[i];
        at[i] = 0;
      }
      if (axis < 0) return;
    }
  }
  std::int64_t row_size() const { return size[static_cast<std::size_t>(rank - 1)]; }
  /// 1 or 0: whether the operand moves along the innermost axis.
  std::int64_t row_stride_a() const { return stride_a[static_cast<std::size_t>(rank - 1)]; }
  std::int64_t row_stride_b() const { return stride_b[static_cast<std::size_t>(rank - 1)]; }
};

inline Shape broadcast_shape(const ShapeArgs& a) { return broadcast(a.shape(0), a.shape(1)); }

template <class Real, class F>
void zip(const KernelArgs<Real>& k, F f) {
  if (k.shape().size() == 0) return;
  const BroadcastLoops loops(k.shape(0), k.shape(1), k.shape());
  loops.for_each_row([&](std::int64_t a, std::int64_t b, std::int64_t out) {
    for (std::int64_t i = 0; i < loops.row_size(); ++i) {
      k.y()[out + i] = f(k.f(0)[a + i * loops.row_stride_a()], k.f(1)[b + i * loops.row_stride_b()]);
    }
  });
}

template <kernels::BinaryLoop loop>
void zip_cpu(const KernelArgs<float>& k) {
  if (k.shape().size() == 0) return;
  if (k.shape(0) == k.shape() && k.shape(1) == k.shape()) {
    return loop({k.f(0), 1}, {k.f(1), 1}, k.y(), static_cast<std::size_t>(k.shape().size()));
  }
  const BroadcastLoops loops(k.shape(0), k.shape(1), k.shape());
  const auto step_a = static_cast<std::size_t>(loops.row_stride_a()), step_b = static_cast<std::size_t>(loops.row_stride_b());
  const auto n = static_cast<std::size_t>(loops.row_size());
  loops.for_each_row([&](std::int64_t a, std::int64_t b, std::int64_t out) {
    loop({k.f(0) + a, step_a}, {k.f(1) + b, step_b}, k.y() + out, n);
  });
}

}  // namespace saltus::ops
