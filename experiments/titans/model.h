#pragma once
#include <cstdint>
#include <string>

#include "config/fields.h"
#include "experiments/titans/mixers.h"
#include "train/system.h"

namespace saltus::titans {

/// A causal model of a sequence: embedding, n_layers blocks, and the scores of the next token's candidates, or other
/// answers.
struct ModelConfig {
  std::string architecture = "mixer";
  std::int64_t n_layers = 2;
  std::int64_t d_model = 64;
  std::int64_t width = 128;        // of the feed-forward layer
  std::int64_t segment = 32;       // C, of mac
  std::string gating = "product";  // of mag
  MixerConfig mixer;

  void fields(Fields& f);

  bool has_attention() const;  // recorded as blocks.{l}.attn
  bool has_memory() const;
  bool has_patterns() const;  // the tap blocks.{l}.attn.pattern of its attention
  bool has_keys() const;      // the taps q and k of a mixer with keys of length 1
  bool has_gate() const;      // the tap gate of blocks.h
  bool needs_roles() const;   // of the tokens, for the intervention oracle_gates
};

/// Embedded tokens x [batch, position, d_model] -> [batch, position, outputs], the axis that is called `outputs_name`,
/// or, of the `asked` positions alone, [batch, question, outputs]:
///   n_layers times: x += mixed(RMSNorm(x)), x += SwiGLU(RMSNorm(x));  out = RMSNorm(x) W_U
/// where `mixed` is that of blocks.h, and SwiGLU(u) = (SiLU(u W_gate) * u W_in) W_out, left out with width 0. Row t
/// depends on rows <= t alone. What a stream has to remember goes through `carry`. `role` i32 [batch, position], a
/// TokenRole each, is for a model that needs_roles(), and null for others.
Var network(Graph& graph, ParamStore& params, Carry& carry, const ModelConfig& model, TokenRows x, std::int64_t outputs,
            const char* outputs_name, Purpose purpose, Var role = {}, const Asked& asked = {});

/// tokens i32 [batch, position] -> logits [batch, position or question, vocabulary]: the network at W_E[tokens].
Var logits(Graph& graph, ParamStore& params, Carry& carry, const ModelConfig& model, std::int64_t vocabulary,
           Var tokens, Purpose purpose, Var role = {}, const Asked& asked = {});

/// Floats that one sequence carries through all blocks after `position` tokens, from where it may be cut: mixers.h
/// says which of a mixer. mac is counted between segments, where nothing of a segment's attention is left.
std::int64_t state_size(const ModelConfig& model, std::int64_t position);
/// The same for sequences of `positions` tokens at their end, for run.h5.
Experiment::Fact state_fact(const ModelConfig& model, std::int64_t positions);

/// Records the model for `batch` sequences of `positions` tokens and returns the mean loss over sequences, a sequence's
/// loss being the mean of -log softmax(logits)[target] over its positions, by their weights. So a sequence counts the
/// same in whatever batch or shard it is.
///
/// Inputs: tokens i32, target i32 and weight f32, each [batch, position], and role i32 where the model needs_roles(); a
/// sequence's weights are >= 0 and not all 0.
/// Taps: logits [batch, position, token], and those of blocks.h.
///
/// Where every sequence has `questions` positions of weight 1 and the others none (SequenceTask), training computes no
/// more than the loss sees: after the last block's mixing, these alone. Its inputs are then asked, asked_token and
/// answer in the place of target and weight, and its logits are [batch, question, token]. 0: nothing is known of them.
Var record(Graph& graph, ParamStore& params, const ModelConfig& model, std::int64_t vocabulary, std::int64_t positions,
           std::int64_t batch, Purpose purpose, std::int64_t questions = 0);

}  // namespace saltus::titans
