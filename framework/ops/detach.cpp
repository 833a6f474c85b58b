#include "ops/op_util.h"

namespace saltus {
namespace {

std::vector<Var> vjp(const VjpArgs&) { return {Var{}}; }

}  // namespace

extern const OpDef detach_op = {
    .name = "detach", .shape = ops::same_shape, .vjp = vjp, .over_runs = ops::as_it_is<detach_op>, .view_offset = [](const ShapeArgs&) -> std::int64_t {
      return 0;
    }};

Var detach(Var x) { return ops::record<detach_op>({x}); }

}  // namespace saltus
