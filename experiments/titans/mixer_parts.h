#pragma once
#include <string>
#include <vector>

#include "experiments/titans/mixers.h"

/// What the kinds of mixers share. A row is one head of one sequence, row = batch * n_heads + head; a channel is one
/// element of one head.
namespace saltus::titans {

/// Names x "<name>.<part>" as a tap, whatever scope is open.
void tap(const MixerContext& c, const std::string& part, Var x);

/// "<name>.<part>", [in, out], normal with standard deviation 1 / sqrt(in).
Var weight(const MixerContext& c, const std::string& part, std::int64_t in, std::int64_t out,
           std::vector<std::string> dims);

/// x W, [batch, position, channel], then the convolution where there is one; part is Q, K or V: W_Q and conv_Q.
Var projected(const MixerContext& c, const TokenRows& x, const std::string& part, const MixerConfig& config);

/// [batch, position, channel] -> [row, position, d_head], and back.
Var into_rows(Var x, std::int64_t n_heads);
Var from_rows(Var rows, std::int64_t n_heads);

/// x / |x| over the last axis
Var l2_normalised(Var x);

/// What each kind but attention and gru starts from: q, k = l2(SiLU(projection)), v = projection; each [row, position,
/// d_head]. The paper has SiLU on v too, which keeps what is to be remembered above -0.28; v goes without. Taps q and k
/// as [batch, head, position, d_head]. With `questions`, q is theirs alone, [row, question, d_head], and no tap.
struct QueryKeyValue {
  Var q, k, v;
};
QueryKeyValue query_key_value(const MixerContext& c, const TokenRows& x, const MixerConfig& config,
                              const Asked& questions = {});

/// A number in (0, 1) for each token and head, sigmoid(x w + b): [row, position]. w starts at 0 and b where the gate is
/// `start`.
Var token_gate(const MixerContext& c, const TokenRows& x, const std::string& part, const MixerConfig& config,
               double start);
/// Gives values [row, position] the tap `part`, [batch, head, position].
void tap_gate(const MixerContext& c, const std::string& part, Var gate, std::int64_t n_heads);

/// What is read [row, position, d_head] at the asked positions, [row, question, d_head]; all of it if none are.
Var asked_rows(const MixerContext& c, Var read, const MixerConfig& config);

/// What is read at the asked positions [row, question, d_head] to what is added to the stream there [batch, question,
/// d_model]: (RMSNorm of each head * SiLU(x W_G)) W_O, without the gate where the config says so.
Var read_out(const MixerContext& c, const TokenRows& x, Var read, const MixerConfig& config);

/// One learned value [head, ...] for every row: [row, ...].
Var for_every_row(Var per_head, std::int64_t batch);

}  // namespace saltus::titans
