#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "experiments/titans/memory.h"
#include "experiments/titans/mixers.h"
#include "train/system.h"

namespace saltus::titans {

struct ModelConfig;

/// How the tokens of block `layer` exchange information: u [batch, position, d_model], normalised, to what is added to
/// the stream. Memories are recorded as "blocks.{l}.mixer" and attention as "blocks.{l}.attn". Ahead of every sequence
/// a memory reads and writes n_persistent learned vectors (eq 19 of arXiv 2501.00663), as chunks of their own, but for
/// mac's, which begins at M_0; attention sees as many learned keys and values.
///
/// mixer  the mixer alone: a baseline, or the memory
/// mac    memory as a context (section 4.1), as far as it is causal: of a segment of tokens s,
///          h = M(s), M as it was before the segment;  y_i = attention of s_i to p and to h_j and s_j, j <= i, each at
///          the place of its token; m = what the memory reads while it writes y;  out = (RMSNorm(y)
///          sigmoid(RMSNorm(m))) W_O.
///        Read as printed, h_j and M(y_i) know tokens that come after i.
/// mag    memory as a gate (section 4.2): of y = window attention and m = memory, both of u,
///          product:  out = (RMSNorm(y) sigmoid(RMSNorm(m))) W_O;  mixture: out = (g RMSNorm(y) + (1 - g) RMSNorm(m))
///          W_O, g = sigmoid(u W_g + b_g)
/// mal    memory as a layer (section 4.3): out = window attention of RMSNorm(memory of u)
///
/// Taps besides the mixers' own: gate [batch, position, d_model], what y is multiplied with in mac and mag; in mac
/// blocks.{l}.attn.sources [batch, head, position, source = 3]: a token's attention to p, to all h and to all s. For
/// measuring, memories also have inner_loss [batch, head, reader = 3, position], of inner_loss.h, and surprise [batch,
/// head, position] and momentum_alignment [batch, head, chunk], of surprise.h.
///
/// `open_gates` [batch, position] is of intervention.h, needed for oracle_gates alone.
/// Of the result, the `asked` positions alone if some are: [batch, question, d_model].
Var mixed(Graph& graph, ParamStore& params, Carry& carry, std::int64_t layer, const TokenRows& u,
          const ModelConfig& model, Purpose purpose, Var open_gates = {}, const Asked& asked = {});

/// mac of the above, in mac_block.cpp; `memory` and `attention` say where the two are recorded.
Var mac_block(const MixerContext& memory, const MixerContext& attention, const TokenRows& u, const ModelConfig& model,
              Purpose purpose);
/// The taps inner_loss, surprise and momentum_alignment of a memory.
void tap_writes(const MixerContext& c, const MemoryInputs& in, const MemoryState& state,
                const std::vector<Var>& initial, const MixerConfig& config);
/// RMSNorm(x) with the gain "<name>.<part>.gain".
Var normalised(const MixerContext& c, const std::string& part, Var x);

}  // namespace saltus::titans
