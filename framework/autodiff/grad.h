#pragma once
#include <span>
#include <vector>

#include "graph/graph.h"

namespace saltus {

/// Gradients of a scalar with respect to `wrt`, one of the same shape each, as new nodes of the same graph. They are ordinary
/// values: grad() can be called inside a model and again on what came out, to any order. Where the loss does not depend on a value
/// its gradient is zeros. Throws when `loss` is not a scalar or an op on the way has no gradient rule.
std::vector<Var> grad(Var loss, std::span<const Var> wrt);

/// Vector-Jacobian product: sum over i of cotangents[i] . d outputs[i] / d wrt[j], for every j. A null cotangent means zero.
std::vector<Var> vjp(std::span<const Var> outputs, std::span<const Var> cotangents, std::span<const Var> wrt);

}  // namespace saltus
