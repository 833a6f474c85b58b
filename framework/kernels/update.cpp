#include "kernels/update.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/update.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr Tag tag;

/// Calls f(i, load, store) for every vector of n elements; load and store mask the tail.
template <class F>
void for_vectors(std::size_t n, F f) {
  const std::size_t lanes = hn::Lanes(tag);
  std::size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    f([i](const float* p) { return hn::LoadU(tag, p + i); }, [i](Vec v, float* p) { hn::StoreU(v, tag, p + i); });
  }
  if (i < n) {
    const auto mask = hn::FirstN(tag, n - i);
    f([i, mask](const float* p) { return hn::MaskedLoad(mask, tag, p + i); },
      [i, mask](Vec v, float* p) { hn::BlendedStore(v, mask, tag, p + i); });
  }
}

void reduce_impl(std::span<const float* const> parts, std::size_t begin, float scale, float* out, std::size_t n) {
  const Vec s = hn::Set(tag, scale);
  for_vectors(n, [&](auto load, auto store) {
    Vec total = load(parts[0] + begin);
    for (std::size_t p = 1; p < parts.size(); ++p) total = hn::Add(total, load(parts[p] + begin));
    store(hn::Mul(total, s), out);
  });
}

void sgd_update_impl(float* theta, const float* g, std::size_t n, float keep, float rate) {
  const Vec k = hn::Set(tag, keep), r = hn::Set(tag, rate);
  for_vectors(n, [&](auto load, auto store) { store(hn::NegMulAdd(r, load(g), hn::Mul(k, load(theta))), theta); });
}

void momentum_update_impl(float* theta, float* m, const float* g, std::size_t n, float keep, float rate, float beta) {
  const Vec k = hn::Set(tag, keep), r = hn::Set(tag, rate), b = hn::Set(tag, beta);
  for_vectors(n, [&](auto load, auto store) {
    const Vec velocity = hn::MulAdd(b, load(m), load(g));
    store(velocity, m);
    store(hn::NegMulAdd(r, velocity, hn::Mul(k, load(theta))), theta);
  });
}

void adam_update_impl(float* theta, float* m, float* v, const float* g, std::size_t n, const AdamRates& rates) {
  const Vec keep = hn::Set(tag, rates.keep), rate = hn::Set(tag, rates.rate), epsilon = hn::Set(tag, rates.epsilon);
  const Vec beta1 = hn::Set(tag, rates.beta1), rest1 = hn::Set(tag, rates.rest1);
  const Vec beta2 = hn::Set(tag, rates.beta2), rest2 = hn::Set(tag, rates.rest2), correction2 = hn::Set(tag, rates.correction2);
  for_vectors(n, [&](auto load, auto store) {
    const Vec grad = load(g);
    const Vec first = hn::MulAdd(beta1, load(m), hn::Mul(rest1, grad));
    const Vec second = hn::MulAdd(beta2, load(v), hn::Mul(rest2, hn::Mul(grad, grad)));
    store(first, m);
    store(second, v);
    const Vec move = hn::Div(hn::Mul(rate, first), hn::Add(hn::Sqrt(hn::Mul(second, correction2)), epsilon));
    store(hn::Sub(hn::Mul(keep, load(theta)), move), theta);
  });
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {

HWY_EXPORT(reduce_impl);
HWY_EXPORT(sgd_update_impl);
HWY_EXPORT(momentum_update_impl);
HWY_EXPORT(adam_update_impl);

void reduce(std::span<const float* const> parts, std::size_t begin, float scale, float* out, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(reduce_impl)(parts, begin, scale, out, n);
}
void sgd_update(float* theta, const float* g, std::size_t n, float keep, float rate) {
  HWY_DYNAMIC_DISPATCH(sgd_update_impl)(theta, g, n, keep, rate);
}
void momentum_update(float* theta, float* m, const float* g, std::size_t n, float keep, float rate, float beta) {
  HWY_DYNAMIC_DISPATCH(momentum_update_impl)(theta, m, g, n, keep, rate, beta);
}
void adam_update(float* theta, float* m, float* v, const float* g, std::size_t n, const AdamRates& rates) {
  HWY_DYNAMIC_DISPATCH(adam_update_impl)(theta, m, v, g, n, rates);
}

double sum_of_squares(const float* x, std::size_t n) {
  // Eight running sums let the compiler use vectors without reassociating on its own.
  double lane[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (std::size_t j = 0; j < 8; ++j) lane[j] += static_cast<double>(x[i + j]) * static_cast<double>(x[i + j]);
  }
  for (; i < n; ++i) lane[0] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  double total = 0;
  for (double v : lane) total += v;
  return total;
}

}  // namespace saltus::kernels
#endif  // HWY_ONCE
