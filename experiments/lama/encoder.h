#pragma once
#include "experiments/lama/model.h"

namespace saltus::lama {

/// The encoder of model.h: e [batch, length, d_embed], mask [batch, length] -> [batch, length, d_model]. What stands in
/// a row of padding means nothing, and is finite.
Var encoded(Graph& graph, ParamStore& params, const ModelConfig& model, Var e, Var mask);

/// The same of e = W_E[tokens], for W_E [word, d_embed] and tokens [batch, length]: of all uses of a word, what they
/// share is computed once.
Var encoded_words(Graph& graph, ParamStore& params, const ModelConfig& model, Var W_E, Var tokens, Var mask);

}  // namespace saltus::lama
