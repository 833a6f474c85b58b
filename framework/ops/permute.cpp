#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i[i]: which axis of the input becomes axis i
Shape shape(const ShapeArgs& a) {
  const Shape& x = a.shape(0);
  std::array<std::int64_t, Shape::max_rank> dims{};
  unsigned seen = 0;
  for (int i = 0; i < x.rank(); ++i) {
    const auto from = static_cast<int>(a.attrs.i[static_cast<std::size_t>(i)]);
    dims[static_cast<std::size_t>(i)] = x[from];
    seen |= 1u << from;
  }
  check(seen == (1u << x.rank()) - 1, "axes must name each axis of {} once", x);
  return Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(x.rank())));
}

std::vector<Var> vjp(const VjpArgs& a) {
  std::vector<int> inverse(static_cast<std::size_t>(a.out.shape().rank()));
  for (std::size_t i = 0; i < inverse.size(); ++i) inverse[static_cast<std::size_t>(a.attrs.i[i])] = static_cast<int>(i);
  return {permute(a.dy, inverse)};
}

// Walks the output in order; the innermost loop reads the input with the stride of the axis it came from.
template <class Real>
void reference(const KernelArgs<Real>& k) {
  const Shape &in = k.shape(0), &out = k.shape();
  const int rank = out.rank();
  if (out.size() == 0) return;
  std::array<std::int64_t, Shape::max_rank> stride{}, step{}, at{};
  std::int64_t run = 1;
  for (int i = rank - 1; i >= 0; --i) {
    stride[static_cast<std::size_t>(i)] = run;
    run *= in[i];
  }
  for (int i = 0; i < rank; ++i) {
    step[static_cast<std::size_t>(i)] = stride[static_cast<std::size_t>(k.attrs.i[static_cast<std::size_t>(i)])];
  }
  const std::int64_t n = out[rank - 1], inner = step[static_cast<std::size_t>(rank - 1)];
  const Real* from = k.f(0);
  Real* to = k.y();
  for (Real* const end = to + out.size(); to != end;) {
    if (inner == 1) {
      to = std::copy_n(from, n, to);
    } else {
      for (std::int64_t i = 0; i < n; ++i) *to++ = from[i * inner];
    }
    for (int axis = rank - 2; axis >= 0; --axis) {
      const auto i = static_cast<std::size_t>(axis);
      from += step[i];
      if (++at[i] < out[axis]) break;
      from -= step[i] * out[axis];
      at[i] = 0;
    }
  }
}

Var over_runs(std::span<const Var> in, const Attrs& attrs) {
  std::vector<int> axes = {0};
  for (std::size_t i = 0; i + 1 < static_cast<std::size_t>(in[0].shape().rank()); ++i) axes.push_back(1 + static_cast<int>(attrs.i[i]));
  return permute(in[0], axes);
}

}  // namespace

extern const OpDef permute_op = {.name = "permute",
                                 .shape = shape,
                                 .vjp = vjp,
                                 .reference_f32 = reference<float>,
                                 .reference_f64 = reference<double>,
                                 .over_runs = over_runs};

Var permute(Var x, std::vector<int> axes) {
  check(static_cast<int>(axes.size()) == x.shape().rank() && x.shape().rank() > 0, "permute: {} axes given for {}", axes.size(),
        x.shape());
  Attrs attrs;
  for (std::size_t i = 0; i < axes.size(); ++i) attrs.i[i] = x.shape().axis(axes[i]);
  return ops::record<permute_op>({x}, attrs);
}

}  // namespace saltus
