#include "kernels/regression.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/regression.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr Tag tag;

void combine_rows_impl(const float* base, float scale, const float* rows, std::size_t stride, std::size_t n_rows,
                       const float* weights, float* y, std::size_t n) {
  const std::size_t lanes = hn::Lanes(tag);
  const auto one_vector = [&](std::size_t i) HWY_ATTR {
    Vec sum = hn::Mul(hn::Set(tag, scale), hn::LoadU(tag, base + i));
    for (std::size_t r = 0; r < n_rows; ++r) {
      sum = hn::Add(sum, hn::Mul(hn::Set(tag, weights[r]), hn::LoadU(tag, rows + r * stride + i)));
    }
    hn::StoreU(sum, tag, y + i);
  };
  if (n >= lanes) {
    std::size_t i = 0;
    for (; i + lanes <= n; i += lanes) one_vector(i);
    if (i < n) one_vector(n - lanes);  // goes over some elements again
    return;
  }
  for (std::size_t i = 0; i < n; ++i) {
    float sum = scale * base[i];
    for (std::size_t r = 0; r < n_rows; ++r) sum += weights[r] * rows[r * stride + i];
    y[i] = sum;
  }
}

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace saltus::kernels {

HWY_EXPORT(combine_rows_impl);

void combine_rows(const float* base, float scale, const float* rows, std::size_t stride, std::size_t n_rows,
                  const float* weights, float* y, std::size_t n) {
  HWY_DYNAMIC_DISPATCH(combine_rows_impl)(base, scale, rows, stride, n_rows, weights, y, n);
}

}  // namespace saltus::kernels
#endif  // HWY_ONCE
