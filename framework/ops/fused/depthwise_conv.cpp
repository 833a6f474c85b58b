
#include "kernels/depthwise_conv.h"
#include "ops/broadcast.h"

namespace saltus {
namespace {

Shape batch_of(const Shape& x) { return x.without(-1).without(-1); }

Shape with_rows(const Shape& batch, std::int64_t rows, std::int64_t channels) {
  return batch.inserted(batch.rank(), rows).inserted(batch.rank() + 1, channels);
}

/// One call: two operands that agree in their channels, and batch axes that broadcast.
struct Call {
  kernels::DepthwiseConv size;
  Shape batch_a, batch_b, batch;

  Call(const Shape& a, const Shape& b) {
    check(a.rank() >= 2 && b.rank() >= 2 && a[-1] == b[-1],
          "operands must be [..., rows, channel] alike, got {} and {}", a, b);
    batch_a = batch_of(a);
    batch_b = batch_of(b);
    batch = broadcast(batch_a, batch_b);
    size.channels = a[-1];
  }
};

/// Of `rows` rows with a window of `window`: how many places it has.
std::int64_t places(std::int64_t rows, std::int64_t window) {
  check(window >= 1 && rows >= window, "{} rows are too few for {} at a time", rows, window);
  return rows - window + 1;
}

Call of_conv(const Shape& x, const Shape& w) {
  Call c(x, w);
  c.size.width = w[-2];
  c.size.n = places(x[-2], w[-2]);
  return c;
}
Call of_transposed(const Shape& y, const Shape& w) {
  Call c(y, w);
  c.size.width = w[-2];
  c.size.n = y[-2];
  return c;
}
Call of_taps(const Shape& x, const Shape& y) {
  Call c(x, y);
  c.size.n = y[-2];
  c.size.width = places(x[-2], y[-2]);
  return c;
}

Shape conv_shape(const ShapeArgs& a) {
  const Call c = of_conv(a.shape(0), a.shape(1));
  return with_rows(c.batch, c.size.n, c.size.channels);
}
Shape transposed_shape(const ShapeArgs& a) {
  const Call c = of_transposed(a.shape(0), a.shape(1));
  return with_rows(c.batch, c.size.n + c.size.width - 1, c.size.channels);
}
Shape taps_shape(const ShapeArgs& a) {
  const Call c = of_taps(a.shape(0), a.shape(1));
  return with_rows(c.batch, c.size.width, c.size.channels);
}

std::vector<Var> conv_vjp(const VjpArgs& v) {
  const Var x = v.in[0], w = v.in[1];
  return {sum_to(depthwise_conv_transposed(v.dy, w), x.shape()), sum_to(depthwise_conv_taps(x, v.dy), w.shape())};
}
std::vector<Var> transposed_vjp(const VjpArgs& v) {
  const Var y = v.in[0], w = v.in[1];
  return {sum_to(depthwise_conv(v.dy, w), y.shape()), sum_to(depthwise_conv_taps(v.dy, y), w.shape())};
}
std::vector<Var> taps_vjp(const VjpArgs& v) {
  const Var x = v.in[0], y = v.in[1];
  return {sum_to(depthwise_conv_transposed(y, v.dy), x.shape()), sum_to(depthwise_conv(x, v.dy), y.shape())};
}

/// Calls f(a, b, out) for each sequence of the batch.
template <class Real, class F>
void for_each_sequence(const KernelArgs<Real>& k, const Call& c, F f) {
  if (c.batch.size() == 0) return;
  const std::int64_t a_size = k.shape(0)[-2] * c.size.channels, b_size = k.shape(1)[-2] * c.size.channels,
                     out_size = k.shape()[-2] * c.size.channels;
  const ops::BroadcastLoops loops(c.batch_a, c.batch_b, c.batch);
  loops.for_each_row([&](std::int64_t a, std::int64_t b, std::int64_t out) {
    for (std::int64_t i = 0; i < loops.row_size(); ++i)
      f(k.f(0) + (a + i * loops.row_stride_a()) * a_size, k.f(1) + (b + i * loops.row_stride_b()) * b_size,
        k.y() + (out + i) * out_size);
  });
}

/// out[to] += a[one] b[other], for every place t of the window, tap j and channel: rows t, j and t + j in an order of
/// their own.
template <class Real, Call (*call_of)(const Shape&, const Shape&), int a_row, int b_row, int out_row>
void reference(const KernelArgs<Real>& k) {
  const Call call = call_of(k.shape(0), k.shape(1));
  const std::int64_t channels = call.size.channels, out_size = k.shape()[-2] * channels;
  for_each_sequence(k, call, [&](const Real* a, const Real* b, Real* out) {
    std::fill_n(out, out_size, Real(0));
    for (std::int64_t t = 0; t < call.size.n; ++t) {
      for (std::int64_t j = 0; j < call.size.width; ++j) {
        const std::int64_t rows[] = {t, j, t + j};
        for (std::int64_t c = 0; c < channels; ++c)
          out[rows[out_row] * channels + c] += a[rows[a_row] * channels + c] * b[rows[b_row] * channels + c];
      }
    }
  });
}

template <Call (*call_of)(const Shape&, const Shape&), auto kernel>
void cpu(const KernelArgs<float>& k) {
  const Call call = call_of(k.shape(0), k.shape(1));
  for_each_sequence(k, call, [&](const float* a, const float* b, float* out) { kernel(call.size, a, b, out); });
}

template <Call (*call_of)(const Shape&, const Shape&)>
double flops(const ShapeArgs& a, const Shape&) {
  const Call c = call_of(a.shape(0), a.shape(1));
  return 2 * static_cast<double>(c.size.n * c.size.width * c.size.channels * c.batch.size());
}

}  // namespace

extern const OpDef depthwise_conv_op = {.name = "depthwise_conv",
                                        .shape = conv_shape,
                                        .vjp = conv_vjp,
                                        .reference_f32 = reference<float, of_conv, 2, 1, 0>,
                                        .reference_f64 = reference<double, of_conv, 2, 1, 0>,
                                        .cpu = cpu<of_conv, kernels::depthwise_conv>,
                                        .over_runs = ops::by_broadcast<depthwise_conv_op>,
                                        .flops = flops<of_conv>};
extern const OpDef depthwise_conv_transposed_op = {.name = "depthwise_conv_transposed",
                                                   .shape = transposed_shape,
                                                   .vjp = transposed_vjp,
                                                   .reference_f32 = reference<float, of_transposed, 0, 1, 2>,
                                                   .reference_f64 = reference<double, of_transposed, 0, 1, 2>,
                                                   .cpu = cpu<of_transposed, kernels::depthwise_conv_transposed>,
                                                   .over_runs = ops::by_broadcast<depthwise_conv_transposed_op>,
                                                   .flops = flops<of_transposed>};
extern const OpDef depthwise_conv_taps_op = {.name = "depthwise_conv_taps",
                                             .shape = taps_shape,
                                             .vjp = taps_vjp,
                                             .reference_f32 = reference<float, of_taps, 2, 0, 1>,
                                             .reference_f64 = reference<double, of_taps, 2, 0, 1>,
                                             .cpu = cpu<of_taps, kernels::depthwise_conv_taps>,
                                             .over_runs = ops::by_broadcast<depthwise_conv_taps_op>,
                                             .flops = flops<of_taps>};

Var depthwise_conv(Var x, Var w) { return ops::record<depthwise_conv_op>({x, w}); }
Var depthwise_conv_transposed(Var y, Var w) { return ops::record<depthwise_conv_transposed_op>({y, w}); }
Var depthwise_conv_taps(Var x, Var y) { return ops::record<depthwise_conv_taps_op>({x, y}); }

}  // namespace saltus
