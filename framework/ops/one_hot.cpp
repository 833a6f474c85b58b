#include <algorithm>

#include "ops/op_util.h"

namespace saltus {
namespace {

// attrs.i[0]: classes
Shape shape(const ShapeArgs& a) {
  check(a.attrs.i[0] >= 1, "needs one class or more, got {}", a.attrs.i[0]);
  return a.shape(0).inserted(a.shape(0).rank(), a.attrs.i[0]);
}

std::vector<Var> vjp(const VjpArgs&) { return {Var{}}; }

template <class Real>
void reference(const KernelArgs<Real>& k) {
  const std::int64_t classes = k.attrs.i[0], count = k.shape(0).size();
  std::fill_n(k.y(), k.shape().size(), Real(0));
  for (std::int64_t i = 0; i < count; ++i) k.y()[i * classes + k.ids(0)[i]] = 1;
}

}  // namespace

extern const OpDef one_hot_op = {.name = "one_hot",
                                 .shape = shape,
                                 .vjp = vjp,
                                 .reference_f32 = reference<float>,
                                 .reference_f64 = reference<double>,
                                 .over_runs = ops::as_it_is<one_hot_op>,
                                 .index_inputs = 0b1};

Var one_hot(Var ids, std::int64_t classes) { return ops::record<one_hot_op>({ids}, {.i = {classes}}); }

}  // namespace saltus
