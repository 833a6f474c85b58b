#include "kernels/vector.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/vector.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>

#include "kernels/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
// y[i] = f(x[i]); the tail goes through the same vector code under a mask.
template <class F>
void map(const float* x, float* y, std::size_t n, F f) {
  const std::size_t lanes = hn::Lanes(tag);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(hn::LoadU(tag, x + i)), tag, y + i);
  if (i < n) {
    const auto mask = hn::FirstN(tag, n - i);
    hn::BlendedStore(f(hn::MaskedLoad(mask, tag, x + i)), mask, tag, y + i);
  }
}

// As map, for two operands of stride 0 or 1. The strides are template constants so that each case is a plain loop.
template <bool a_array, bool b_array, class F>
void zip_strided(const float* a, const float* b, float* y, std::size_t n, F f) {
  const std::size_t lanes = hn::Lanes(tag);
  const Vec a0 = hn::Set(tag, *a), b0 = hn::Set(tag, *b);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Vec va = a_array ? hn::LoadU(tag, a + i) : a0;
    const Vec vb = b_array ? hn::LoadU(tag, b + i) : b0;
    hn::StoreU(f(va, vb), tag, y + i);
  }
  if (i < n) {
    const auto mask = hn::FirstN(tag, n - i);
    const Vec va = a_array ? hn::MaskedLoad(mask, tag, a + i) : a0;
    const Vec vb = b_array ? hn::MaskedLoad(mask, tag, b + i) : b0;
    hn::BlendedStore(f(va, vb), mask, tag, y + i);
  }
}

template <class F>
void zip(Lane a, Lane b, float* y, std::size_t n, F f) {
  if (n == 0) return;
  if (a.stride && b.stride) return zip_strided<true, true>(a.data, b.data, y, n, f);
  if (a.stride) return zip_strided<true, false>(a.data, b.data, y, n, f);
  if (b.stride) return zip_strided<false, true>(a.data, b.data, y, n, f);
  zip_strided<false, false>(a.data, b.data, y, n, f);
}

// As ieee_exp: Highway's log gives finite numbers for 0 and below.
Vec ieee_log(Vec v) {
  const Vec infinity = hn::Inf(tag), zero = hn::Zero(tag);
  const Vec outside = hn::IfThenElse(hn::Eq(v, zero), hn::Neg(infinity), hn::NaN(tag));  // at 0; below 0 and at NaN
  const Vec inside = hn::IfThenElse(hn::Eq(v, infinity), infinity, hn::Log(tag, v));
  return hn::IfThenElse(hn::Gt(v, zero), inside, outside);
}

void affine_impl(const float* x, float* y, std::size_t n, float scale, float shift) {
  const Vec a = hn::Set(tag, scale), b = hn::Set(tag, shift);
  map(x, y, n, [a, b](Vec v) { return hn::MulAdd(a, v, b); });
}
void exp_impl(const float* x, float* y, std::size_t n) {
  map(x, y, n, [](Vec v) { return ieee_exp(v); });
}
void log_impl(const float* x, float* y, std::size_t n) {
  map(x, y, n, [](Vec v) { return ieee_log(v); });
}
void sqrt_impl(const float* x, float* y, std::size_t n) {
  map(x, y, n, [](Vec v) { return hn::Sqrt(v); });
}
void tanh_impl(const float* x, float* y, std::size_t n) {
  map(x, y, n, [](Vec v) { return ieee_tanh(v); });
}
void sigmoid_impl(const float* x, float* y, std::size_t n) {
  const Vec one = hn::Set(tag, 1.0f);
  map(x, y, n, [one](Vec v) { return hn::Div(one, hn::Add(one, ieee_exp(hn::Neg(v)))); });
}
void silu_impl(const float* x, float* y, std::size_t n) {
  const Vec one = hn::Set(tag, 1.0f);
  map(x, y, n, [one](Vec v) { return hn::Div(v, hn::Add(one, ieee_exp(hn::Neg(v)))); });
}
void silu_grad_impl(const float* x, float* y, std::size_t n) {
  const Vec one = hn::Set(tag, 1.0f);
  map(x, y, n, [one](Vec v) {
    const Vec s = hn::Div(one, hn::Add(one, ieee_exp(hn::Neg(v))));
    return hn::Mul(s, hn::MulAdd(v, hn::Sub(one, s), one));
  });
}
void relu_impl(const float* x, float* y, std::size_t n) {
  // Not max(v, 0), which would turn a NaN into 0.
  map(x, y, n, [](Vec v) { return hn::IfThenZeroElse(hn::Lt(v, hn::Zero(tag)), v); });
}

void add_impl(Lane a, Lane b, float* y, std::size_t n) {
  zip(a, b, y, n, [](Vec u, Vec v) { return hn::Add(u, v); });
}
void sub_impl(Lane a, Lane b, float* y, std::size_t n) {
  zip(a, b, y, n, [](Vec u, Vec v) { return hn::Sub(u, v); });
}
void mul_impl(Lane a, Lane b, float* y, std::size_t n) {
  zip(a, b, y, n, [](Vec u, Vec v) { return hn::Mul(u, v); });
}
void div_impl(Lane a, Lane b, float* y, std::size_t n) {
  zip(a, b, y, n, [](Vec u, Vec v) { return hn::Div(u, v); });
}
void gate_impl(Lane a, Lane b, float* y, std::size_t n) {
  zip(a, b, y, n, [](Vec u, Vec v) { return hn::IfThenElseZero(hn::Gt(v, hn::Zero(tag)), u); });
}

void accumulate_impl(const float* x, float* y, std::size_t n) { add_impl({y, 1}, {x, 1}, y, n); }

float sum_impl(const float* x, std::size_t n) {
  const std::size_t lanes = hn::Lanes(tag);
  Vec total = hn::Zero(tag);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) total = hn::Add(total, hn::LoadU(tag, x + i));
  if (i < n) total = hn::Add(total, hn::MaskedLoad(hn::FirstN(tag, n - i), tag, x + i));
  return hn::GetLane(hn::SumOfLanes(tag, total));
}

float max_of(const float* x, std::size_t n) {
  const std::size_t lanes = hn::Lanes(tag);
  Vec top = hn::Set(tag, x[0]);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) top = hn::Max(top, hn::LoadU(tag, x + i));
  if (i < n) {
    const auto mask = hn::FirstN(tag, n - i);
    top = hn::Max(top, hn::IfThenElse(mask, hn::MaskedLoad(mask, tag, x + i), top));
  }
  return hn::GetLane(hn::MaxOfLanes(tag, top));
}

// y = exp(x - shift) over n elements; returns the sum, in the lane order of sum_impl.
float exp_sum(const float* x, float* y, std::size_t n, float shift) {
  const std::size_t lanes = hn::Lanes(tag);
  const Vec s = hn::Set(tag, shift);
  Vec total = hn::Zero(tag);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Vec e = ieee_exp(hn::Sub(hn::LoadU(tag, x + i), s));
    hn::StoreU(e, tag, y + i);
    total = hn::Add(total, e);
  }
  if (i < n) {
    const auto mask = hn::FirstN(tag, n - i);
    const Vec e = hn::IfThenElseZero(mask, ieee_exp(hn::Sub(hn::MaskedLoad(mask, tag, x + i), s)));
    hn::BlendedStore(e, mask, tag, y + i);
    total = hn::Add(total, e);
  }
  return hn::GetLane(hn::SumOfLanes(tag, total));
}

// The sum of exp(x - shift), and no array of its terms.
float total_of_exp(const float* x, std::size_t n, float shift) {
  const std::size_t lanes = hn::Lanes(tag);
  const Vec s = hn::Set(tag, shift);
  Vec total = hn::Zero(tag);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) total = hn::Add(total, ieee_exp(hn::Sub(hn::LoadU(tag, x + i), s)));
  if (i < n) {
    const auto mask = hn::FirstN(tag, n - i);
    total = hn::Add(total, hn::IfThenElseZero(mask, ieee_exp(hn::Sub(hn::MaskedLoad(mask, tag, x + i), s))));
  }
  return hn::GetLane(hn::SumOfLanes(tag, total));
}

void cross_entropy_rows_impl(const float* x, const std::int32_t* labels, float* y, std::size_t rows, std::size_t n) {
  for (std::size_t r = 0; r < rows; ++r, x += n) {
    const float top = max_of(x, n);
    y[r] = total_of_exp(x, n, top);
    log_impl(y + r, y + r, 1);
    y[r] += top - x[labels[r]];
  }
}

void softmax_rows_impl(const float* x, float* y, std::size_t rows, std::size_t n, std::size_t causal_period) {
  for (std::size_t r = 0; r < rows; ++r, x += n, y += n) {
    const std::size_t visible = causal_period == 0 ? n : n - causal_period + 1 + r % causal_period;
    const float total = exp_sum(x, y, visible, max_of(x, visible));
    affine_impl(y, y, visible, 1.0f / total, 0.0f);
    for (std::size_t j = visible; j < n; ++j) y[j] = 0.0f;
  }
}

float dot(const float* x, const float* y, std::size_t n) {
  const std::size_t lanes = hn::Lanes(tag);
  Vec total = hn::Zero(tag);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) total = hn::MulAdd(hn::LoadU(tag, x + i), hn::LoadU(tag, y + i), total);
  if (i < n) {
    const auto mask = hn::FirstN(tag, n - i);
    total = hn::MulAdd(hn::MaskedLoad(mask, tag, x + i), hn::MaskedLoad(mask, tag, y + i), total);
  }
  return hn::GetLane(hn::SumOfLanes(tag, total));
}

void softmax_grad_rows_impl(const float* y, const float* dy, float* g, std::size_t rows, std::size_t n) {
  for (std::size_t r = 0; r < rows; ++r, y += n, dy += n, g += n) {
    const Vec shift = hn::Set(tag, dot(y, dy, n));
    zip({y, 1}, {dy, 1}, g, n, [shift](Vec p, Vec d) { return hn::Mul(p, hn::Sub(d, shift)); });
  }
}

void log_softmax_rows_impl(const float* x, float* y, std::size_t rows, std::size_t n) {
  for (std::size_t r = 0; r < rows; ++r, x += n, y += n) {
    const float top = max_of(x, n);
    const float total = exp_sum(x, y, n, top);
    float log_total = 0.0f;
    log_impl(&total, &log_total, 1);
    affine_impl(x, y, n, 1.0f, -top - log_total);
  }
}

float sum_of_squares(const float* x, std::size_t n) {
  const std::size_t lanes = hn::Lanes(tag);
  Vec total = hn::Zero(tag);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Vec v = hn::LoadU(tag, x + i);
    total = hn::MulAdd(v, v, total);
  }
  if (i < n) {
    const Vec v = hn::MaskedLoad(hn::FirstN(tag, n - i), tag, x + i);
    total = hn::MulAdd(v, v, total);
  }
  return hn::GetLane(hn::SumOfLanes(tag, total));
}

void rms_norm_rows_impl(const float* x, const float* gain, float* y, std::size_t rows, std::size_t n, float epsilon) {
  for (std::size_t r = 0; r < rows; ++r, x += n, y += n) {
    const Vec scale = hn::Set(tag, 1.0f / std::sqrt(sum_of_squares(x, n) / static_cast<float>(n) + epsilon));
    zip({x, 1}, {gain, 1}, y, n, [scale](Vec u, Vec g) { return hn::Mul(hn::Mul(u, scale), g); });
  }
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {

HWY_EXPORT(affine_impl);
HWY_EXPORT(exp_impl);
HWY_EXPORT(log_impl);
HWY_EXPORT(sqrt_impl);
HWY_EXPORT(tanh_impl);
HWY_EXPORT(sigmoid_impl);
HWY_EXPORT(relu_impl);
HWY_EXPORT(silu_impl);
HWY_EXPORT(silu_grad_impl);
HWY_EXPORT(add_impl);
HWY_EXPORT(sub_impl);
HWY_EXPORT(mul_impl);
HWY_EXPORT(div_impl);
HWY_EXPORT(gate_impl);
HWY_EXPORT(accumulate_impl);
HWY_EXPORT(sum_impl);
HWY_EXPORT(softmax_rows_impl);
HWY_EXPORT(softmax_grad_rows_impl);
HWY_EXPORT(log_softmax_rows_impl);
HWY_EXPORT(cross_entropy_rows_impl);
HWY_EXPORT(rms_norm_rows_impl);

void affine(const float* x, float* y, std::size_t n, float scale, float shift) {
  HWY_DYNAMIC_DISPATCH(affine_impl)(x, y, n, scale, shift);
}
void exp(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(exp_impl)(x, y, n); }
void log(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(log_impl)(x, y, n); }
void sqrt(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(sqrt_impl)(x, y, n); }
void tanh(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(tanh_impl)(x, y, n); }
void sigmoid(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(sigmoid_impl)(x, y, n); }
void relu(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(relu_impl)(x, y, n); }
void silu(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(silu_impl)(x, y, n); }
void silu_grad(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(silu_grad_impl)(x, y, n); }
void add(Lane a, Lane b, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(add_impl)(a, b, y, n); }
void sub(Lane a, Lane b, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(sub_impl)(a, b, y, n); }
void mul(Lane a, Lane b, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(mul_impl)(a, b, y, n); }
void div(Lane a, Lane b, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(div_impl)(a, b, y, n); }
void gate(Lane a, Lane b, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(gate_impl)(a, b, y, n); }
void accumulate(const float* x, float* y, std::size_t n) { HWY_DYNAMIC_DISPATCH(accumulate_impl)(x, y, n); }
float sum(const float* x, std::size_t n) { return HWY_DYNAMIC_DISPATCH(sum_impl)(x, n); }
void softmax_rows(const float* x, float* y, std::size_t rows, std::size_t n, std::size_t causal_period) {
  HWY_DYNAMIC_DISPATCH(softmax_rows_impl)(x, y, rows, n, causal_period);
}
void softmax_grad_rows(const float* y, const float* dy, float* g, std::size_t rows, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(softmax_grad_rows_impl)(y, dy, g, rows, n);
}
void log_softmax_rows(const float* x, float* y, std::size_t rows, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(log_softmax_rows_impl)(x, y, rows, n);
}
void cross_entropy_rows(const float* x, const std::int32_t* labels, float* y, std::size_t rows, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(cross_entropy_rows_impl)(x, labels, y, rows, n);
}
void rms_norm_rows(const float* x, const float* gain, float* y, std::size_t rows, std::size_t n, float epsilon) {
  HWY_DYNAMIC_DISPATCH(rms_norm_rows_impl)(x, gain, y, rows, n, epsilon);
}

}  // namespace saltus::kernels
#endif  // HWY_ONCE
