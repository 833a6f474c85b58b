// Vector functions that kernels share. Included once for each instruction set, inside the files that are.
#if defined(SALTUS_KERNELS_EXP_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef SALTUS_KERNELS_EXP_INL_H
#undef SALTUS_KERNELS_EXP_INL_H
#else
#define SALTUS_KERNELS_EXP_INL_H
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace saltus::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::ScalableTag<float>;
using Vec = hn::Vec<Tag>;
constexpr Tag tag;

// Highway's exp gives 0 for NaN and for large arguments. IEEE's answers matter here: a run that diverges must be seen
// to.
HWY_INLINE Vec ieee_exp(Vec v) {
  const Vec in_range = hn::IfThenElse(hn::Gt(v, hn::Set(tag, 88.72283f)), hn::Inf(tag), hn::Exp(tag, v));
  return hn::IfThenElse(hn::IsNaN(v), v, in_range);
}
// exp(v) for v <= 0, within 1e-7, relative; 0 is 1e-38 here, and NaN some number: the caller looks for NaN once, not at
// each element. v = n ln 2 + r; the sum with 1.5 2^23 leaves n in the low bits, from where it is moved into the
// exponent of a minimax polynomial in r (relative error 9e-8 on [-ln 2 / 2, ln 2 / 2]). Half the work of Highway's exp.
HWY_INLINE Vec exp_of_nonpositive(Vec v) {
  const hn::RebindToSigned<Tag> ints;
  v = hn::Max(v, hn::Set(tag, -87.0f));
  const Vec shift = hn::Set(tag, 12582912.0f);
  const Vec shifted = hn::MulAdd(v, hn::Set(tag, 1.44269504f), shift);
  const Vec n = hn::Sub(shifted, shift);
  const Vec r = hn::MulAdd(n, hn::Set(tag, -1.428606765e-6f), hn::MulAdd(n, hn::Set(tag, -0.693145751953125f), v));
  Vec p = hn::Set(tag, 0.00829030667f);
  for (float coefficient : {0.0418979749f, 0.166676372f, 0.499991506f, 0.999999702f, 1.0f}) {
    p = hn::MulAdd(p, r, hn::Set(tag, coefficient));
  }
  return hn::BitCast(tag, hn::Add(hn::BitCast(ints, p), hn::ShiftLeft<23>(hn::BitCast(ints, shifted))));
}
HWY_INLINE Vec ieee_tanh(Vec v) { return hn::IfThenElse(hn::IsNaN(v), v, hn::Tanh(tag, v)); }

}  // namespace saltus::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
