#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs& a) { return {a.dy}; }

}  // namespace

extern const OpDef again_op = {
    .name = "again", .shape = ops::same_shape, .vjp = vjp, .over_runs = ops::as_it_is<again_op>, .view_offset = [](const ShapeArgs&) -> std::int64_t {
      return 0;
    }};

Var again(Var x) { return ops::record<again_op>({x}); }

}  // namespace saltus
