#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "config/fields.h"
#include "data/markov_chains.h"
#include "nn/params.h"
#include "train/system.h"

namespace saltus::markov_chains {

/// The networks of Edelman et al. 2024 (arXiv 2402.11004): attention layers and nothing else, or a minimal model of
/// two.
struct ModelConfig {
  std::string kind = "attention";
  std::int64_t n_layers = 2;
  std::int64_t n_heads = 1;
  std::int64_t d_model = 16;
  std::string positions = "relative";
  double init_std = 0.02;
  double v_init = 0.02;

  void fields(Fields& f);
  bool is_minimal() const { return kind != "attention"; }
};

/// Attention layers on a residual stream x [batch, position, d_model] that begins as W_E[token]:
///   x_i += sum_h sum_{j <= i} pattern_ij x_j W_V W_O,  logits = x W_U,
///   pattern_i = softmax over j <= i of (q_i . k_j + b_ij) / sqrt(d_head),  q = x W_Q, k = x W_K,
/// where positions enter as
///   relative       b_ij = q_i . R_{i-j}: a learned vector for each distance, as in the authors' program
///   relative_bias  b_ij = r_{i-j}: a learned number for each distance
///   learned        x begins as W_E[token] + W_pos[position]
///   one_hot        x has `length` dimensions more, of which the token's position is 1
///
/// Taps: blocks.{l}.attn.pattern [head, batch, query, key], logits [batch, position, state].
Var record_attention(Graph& graph, ParamStore& params, const MarkovChainsConfig& task, const ModelConfig& model,
                     std::int64_t batch);

/// Two layers with one vector v [distance] and one matrix W [state, state], on one-hot tokens e:
///   minimal          l_j = sum_{m <= j} v_{j-m} e_m,  logits_i = sum_{j <= i} (e_i W . l_j) e_j
///   minimal_softmax  the weights v_{j-m} and (e_i W . l_j) go through a softmax over m <= j and j <= i, and the sum is
///                    multiplied by a learned gain g, which begins at e
/// v_1 large and W the identity count what followed a state that equals the last: bigrams. A constant W counts states:
/// unigrams. W begins at 0, v at v_init (with softmax at 0, which is no saddle there).
///
/// Taps: minimal.v [distance], minimal.W [state, state], logits [batch, position, state].
Var record_minimal(Graph& graph, ParamStore& params, const MarkovChainsConfig& task, const ModelConfig& model,
                   std::int64_t batch);

/// Records the model for `batch` sequences and returns the mean over all positions of -log softmax(logits)[target].
/// Inputs: tokens, target i32 [batch, position].
Var record(Graph& graph, ParamStore& params, const MarkovChainsConfig& task, const ModelConfig& model,
           std::int64_t batch);

}  // namespace saltus::markov_chains
