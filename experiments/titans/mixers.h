#pragma once
#include <cstdint>
#include <string>

#include "config/fields.h"
#include "experiments/titans/token_rows.h"
#include "nn/carry.h"
#include "nn/params.h"
#include "ops/ops.h"

namespace saltus::titans {

/// Where a mixer is recorded: its parameters, taps and carried values are named "<name>.W_Q", ..., whatever scope is
/// open.
struct MixerContext {
  Graph& graph;
  ParamStore& params;
  Carry& carry;
  std::string name;  // "blocks.0.mixer"
  std::string taps = {};
  Var open_gates = {};  // of intervention.h, [batch, position]; null where nothing is closed
  Asked asked = {};     // where the result is needed; null: everywhere
};

/// How tokens exchange information in a block: one config for all kinds, so that comparisons change one key.
struct MixerConfig {
  std::string kind = "memory";
  std::int64_t n_heads = 2;
  std::int64_t d_head = 32;
  std::int64_t conv_width = 4;    // causal depthwise convolution on q, k, v; 0: none
  std::int64_t window = 32;       // of sliding_window
  std::int64_t n_persistent = 4;  // learned prefix of attention (N_p)
  bool rotary = true;             // of attention, sliding_window and, within a chunk, the ttt kinds
  std::int64_t chunk = 16;        // b
  std::int64_t memory_depth = 1;  // L_M
  std::int64_t memory_expansion = 2;
  bool memory_residual = false;
  double theta_max = 0.5;  // for one layer and chunks up to 16; see the rule in fields()
  double alpha_max = 0.1;
  double alpha_start = 0.01, eta_start = 0.5;
  double ttt_rate = 1;
  bool momentum = true, decay = true;
  bool learned_initial = true;  // M_0: learned, or 0 for one layer and random for several
  bool decay_to_initial = true;
  bool read_before_write = false;
  bool first_order = false;
  bool output_gate = true;
  std::string intervention = "none";  // on memories; intervention.h

  void fields(Fields& f);
};

/// x [batch, position, d_model], normalised -> [batch, position, d_model], of the asked positions if some are. Causal:
/// row t depends on rows <= t alone.
///
/// attention, sliding_window: softmax((q . k) / sqrt(d_head)) with a learned prefix; taps pattern, persistent_pattern.
/// linear_attention, deltanet, gated_deltanet: one matrix a head (linear_attention.h, delta.h); taps q, k, beta, alpha.
/// ttt_linear, ttt_mlp: a network a head, trained on v - k (ttt.h); taps q, k, theta. ttt_mlp is memory_expansion
/// d_head wide. gru: hidden size n_heads d_head. memory: Titans' (memory.h); taps q, k, theta, eta, alpha, M.<layer>.
/// All but attention, sliding_window and gru have q and k of length 1 and the read-out (RMSNorm of a head * SiLU(x
/// W_G)) W_O.
///
/// Where gradients are taken a chunk at a time (ttt, memory), a stretch that is not whole chunks is refused.
Var mix(const MixerContext& c, const TokenRows& x, const MixerConfig& config);

/// Floats that a stream has to carry on after `position` tokens, where it may be cut (memory and ttt: between chunks),
/// one sequence, one block of this kind: the state itself and the last inputs of the convolutions.
std::int64_t state_size(const MixerConfig& config, std::int64_t position);

}  // namespace saltus::titans
