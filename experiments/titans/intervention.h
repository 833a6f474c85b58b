#pragma once
#include "experiments/titans/mixers.h"

/// What is done to the memories of a model, perhaps one trained without it, to see what they are for:
/// MixerConfig::intervention. The parameters are the same under each, so a trained run can be measured under each.
///
///   zero          What is read is 0, in mac also what the memory knew before a segment. Norms and linear layers
///                 keep it 0: a memory alone and mal mix nothing; the gate of mac and of mag (product) is 1/2.
///   freeze        The memory stays M_0: theta = alpha = 0 at all tokens and at the persistent vectors before them.
///                 What is left is what training put into the weights, without what the sequence wrote.
///   swap          A sequence asks the memory that the next one of the batch wrote, the last one the first's. What it
///                 writes goes to its own memory as ever; in mac that includes what it has read.
///   oracle_gates  theta = alpha = 0 at filler: it writes nothing and forgets nothing; momentum under way runs out at
///                 the pace of filler's own eta.
///
/// What oracle_gates must let through: the convolution brings a key and its value together at the value's token or up
/// to conv_width - 1 tokens after it, and which of these writes the pair is for training to choose. So filler that
/// still sees a value in the convolution keeps its gates, as do keys, values, questions and the persistent vectors. In
/// a model of several blocks an earlier one may bring a pair further still; those tokens are closed all the same.
namespace saltus::titans {

/// [batch, position], 1 where oracle_gates leaves a token its gates and 0 where it does not, from TokenRoles i32
/// [batch, position]. Carries where the last values were, as "oracle_gates.values".
Var oracle_gates(Var role, const MixerConfig& config, Carry& carry);

/// theta or alpha [row, position] as the intervention leaves it. `open` is of oracle_gates, and null for tokens ahead
/// of the sequence.
Var intervened_gate(Var gate, Var open, const MixerConfig& config);

/// What the memory of each row is asked [row, position, d], and what comes of its answers [row, position, d] to those
/// who asked. Throws, as bad input, for a swap in a batch of one sequence; `name` is the memory's.
Var intervened_question(Var q, const MixerConfig& config, const std::string& name);
Var intervened_answer(Var out, const MixerConfig& config);

}  // namespace saltus::titans
