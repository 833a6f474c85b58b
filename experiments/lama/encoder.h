#pragma once
#include "experiments/lama/model.h"

namespace saltus::lama {

/// The encoder of model.h: e [batch, length, d_embed], mask [batch, length] -> [batch, length, d_model]. What stands in
/// a row of padding means nothing, and is finite.
Var encoded(Graph& graph, ParamStore& params, const ModelConfig& model, Var e, Var mask);

}  // namespace saltus::lama
