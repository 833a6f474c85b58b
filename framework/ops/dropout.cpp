#include "kernels/dropout.h"

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.f[0]: rate; attrs.i[0]: site

Shape shape(const ShapeArgs& a) {
  const Shape& x = a.shape(0);
  const double rate = a.attrs.f[0];
  check(rate >= 0 && rate < 1, "rate must be in [0, 1), got {}", rate);
  check(a.attrs.i[0] >= 0, "site must be 0 or more, got {}", a.attrs.i[0]);
  check(x.rank() >= 1 && a.shape(1) == Shape{x[0]}, "x must be [batch, ...] and key [batch], got {} and {}", x,
        a.shape(1));
  return x;
}

// Linear in x: the cotangent goes through the same mask.
std::vector<Var> vjp(const VjpArgs& v) {
  return {dropout(v.dy, v.in[1], v.attrs.f[0], static_cast<int>(v.attrs.i[0])), Var{}};
}

/// f(decisions, first element) for every sample.
template <class Real, class F>
void for_each_sample(const KernelArgs<Real>& k, F f) {
  const std::int64_t batch = k.shape()[0], n = k.shape().without(0).size();
  for (std::int64_t b = 0; b < batch; ++b) {
    const auto key = static_cast<std::uint32_t>(k.ids(1)[b]), site = static_cast<std::uint32_t>(k.attrs.i[0]);
    f(kernels::dropout_with(k.attrs.f[0], key, site), b * n, static_cast<std::size_t>(n));
  }
}

template <class Real>
void reference(const KernelArgs<Real>& k) {
  for_each_sample(k, [&k](const kernels::Dropout& d, std::int64_t first, std::size_t n) {
    const Real* x = k.f(0) + first;
    Real* y = k.y() + first;
    for (std::size_t e = 0; e < n; ++e) y[e] = kernels::keeps(d, e) ? x[e] * static_cast<Real>(d.scale) : 0;
  });
}

void cpu(const KernelArgs<float>& k) {
  for_each_sample(k, [&k](const kernels::Dropout& d, std::int64_t first, std::size_t n) {
    kernels::dropout(d, k.f(0) + first, k.y() + first, n);
  });
}

/// A mask is of its sample alone: the runs' samples are as good as one batch.
Var over_runs(std::span<const Var> in, const Attrs& attrs) {
  const std::vector<Var> own = ops::for_each_run(in);
  const Shape& x = own[0].shape();
  const std::int64_t samples = x[0] * x[1];
  const Var y = dropout(reshape(own[0], x.without(0).with(0, samples)), reshape(own[1], {samples}), attrs.f[0], static_cast<int>(attrs.i[0]));
  return reshape(y, x);
}

}  // namespace

extern const OpDef dropout_op = {.name = "dropout",
                                 .shape = shape,
                                 .vjp = vjp,
                                 .reference_f32 = reference<float>,
                                 .reference_f64 = reference<double>,
                                 .cpu = cpu,
                                 .over_runs = over_runs,
                                 .index_inputs = 0b10,
                                 .inplace = true};

Var dropout(Var x, Var key, double rate, int site) {
  return rate == 0 ? x : ops::record<dropout_op>({x, key}, {.i = {site}, .f = {rate}});
}

}  // namespace saltus
