#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ops/ops.h"

/// What is put in place of attention patterns, in training or in a trained network, to find out which part of a circuit
/// waits for which: the clamps of Singh et al. 2024 (arXiv 2404.07129). ModelConfig::clamps lists them. The parameters
/// are the same under each, so a trained run can be measured under each.
///
/// A clamp gives some queries of some heads the pattern (1 - strength) trained + strength ideal, with the ideal
///
///   previous_token  the token before; the first token attends to itself
///   own_item        label tokens to their item
///   induction       the target to labels of its own class, equally
///   labels          the target to all label tokens, equally
///   items           the target to items of its own class, equally
///   uniform         all that the query sees, equally
///   self            the query itself
///   zero            nothing: the head writes nothing
///
/// or takes the share `strength` off what is forbidden, and scales the rest up to the sum that there was; where nothing
/// is left, the head writes nothing:
///
///   not_previous    the token before; the first token has none
///   not_induction   for the target, labels of its own class
///   only_labels     for the target, all but label tokens; it still chooses among these
///
/// Gradients go through the trained share alone. A target of a class that the context does not show has nothing to
/// match: induction and items leave it as trained.
namespace saltus::icl_classification {

struct Clamp {
  std::optional<std::int64_t> layer, head;  // none: every one
  std::string pattern;
  double strength = 1;
  std::string queries;  // all, items (of the context), labels or target
  std::string problem;  // why the text is no clamp of such a network; empty if it is one

  /// Whether it asks what in the context is of the target's class.
  bool reads_matches() const { return pattern == "induction" || pattern == "items" || pattern == "not_induction"; }
};

/// Reads "layer.head pattern [strength] [queries]", such as "0.0 previous_token 0.5 labels"; * is every layer or head.
/// Strength and queries may come in either order, each at most once.
Clamp parse_clamp(const std::string& text, std::int64_t n_layers, std::int64_t n_heads);

/// AttentionOptions::pattern of a layer whose tokens are `n_pairs` items and their labels, then the target: causal
/// softmax under those of the clamps that are of this layer, one after the other: what comes first may be put aside by
/// what comes later. Null where none is. Reads the input context_match [batch, pair] where a clamp reads_matches().
std::function<Var(Var scores)> clamped_pattern(std::span<const Clamp> clamps, std::int64_t layer, std::int64_t n_pairs);

}  // namespace saltus::icl_classification
