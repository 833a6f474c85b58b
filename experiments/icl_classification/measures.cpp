#include "experiments/icl_classification/measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "probes/attention.h"

namespace saltus::icl_classification {
namespace {

constexpr int per_head_count = 9;

/// Softmax mass on the labels that the context shows, each counted once, and whether the largest logit is one of them (CLA).
std::pair<double, bool> context_label(const float* logits, std::int64_t n_labels, const std::int32_t* shown, std::int64_t n_pairs) {
  const float* top = std::max_element(logits, logits + n_labels);
  double total = 0, mass = 0;
  for (std::int64_t l = 0; l < n_labels; ++l) {
    const double p = std::exp(static_cast<double>(logits[l]) - *top);
    total += p;
    if (std::find(shown, shown + n_pairs, static_cast<std::int32_t>(l)) != shown + n_pairs) mass += p;
  }
  return {mass / total, std::find(shown, shown + n_pairs, static_cast<std::int32_t>(top - logits)) != shown + n_pairs};
}

}  // namespace

SequenceMeasures measure_sequence(const float* pattern, const std::int32_t* match, std::int64_t n_pairs) {
  const std::int64_t tokens = 2 * n_pairs + 1;
  const float* target = pattern + (tokens - 1) * tokens;
  double item_label = 0, right_labels = 0, labels = 0, right_items = 0, matches = 0;
  for (std::int64_t k = 0; k < n_pairs; ++k) {
    const std::int64_t item = 2 * k, label = 2 * k + 1;
    item_label += pattern[label * tokens + item];
    labels += target[label];
    if (match[k]) {
      right_labels += target[label];
      right_items += target[item];
      ++matches;
    }
  }
  const double others = static_cast<double>(n_pairs) - matches;
  const double strength = (matches > 0 ? right_labels / matches : 0) - (others > 0 ? (labels - right_labels) / others : 0);
  return {item_label / static_cast<double>(n_pairs), measures::previous_token(pattern, tokens), right_labels, labels, strength, right_items,
          measures::mean_entropy(pattern, tokens), measures::entropy(target, tokens), target[tokens - 1]};
}

ProgressProbe::ProgressProbe(const IclClassificationConfig& task, int n_layers, int n_heads)
    : n_pairs_(task.n_pairs), n_tokens_(task.n_tokens()), n_layers_(n_layers), n_heads_(n_heads) {}

std::vector<std::string> ProgressProbe::taps() const {
  std::vector<std::string> names = {"logits"};
  for (int l = 0; l < n_layers_; ++l) names.push_back(fmt::format("blocks.{}.attn.pattern", l));
  return names;
}

std::vector<Measure> ProgressProbe::measures() const {
  const std::vector<Dim> layer_head = {{.name = "layer", .size = n_layers_}, {.name = "head", .size = n_heads_}};
  return {{"item_label", "ILA: attention of a label token to its item, mean over pairs", layer_head},
          {"prev_token", "attention to the previous token, mean over all tokens but the first", layer_head},
          {"target_item_label", "TILA: attention of the target to labels of its own class, summed over them", layer_head},
          {"target_labels", "TLA: attention of the target to all label tokens", layer_head},
          {"induction_strength", "attention of the target to a right label minus to a wrong one, means", layer_head},
          {"target_item_item", "TIIA: attention of the target to items of its own class, summed over them", layer_head},
          {"attention_entropy", "entropy of the attention in nats, mean over queries", layer_head},
          {"target_attention_entropy", "entropy of the target's attention in nats", layer_head},
          {"target_self", "attention of the target to itself", layer_head},
          {"context_label_accuracy", "CLA: share of sequences whose largest logit is a label shown in the context"},
          {"context_label_mass", "CLA by mass: softmax probability of the labels shown in the context"}};
}

void ProgressProbe::accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap, std::span<double> sums) const {
  const int heads = n_layers_ * n_heads_;
  const std::int32_t* match = batch.i32(IclClassification::context_match_field);
  for (int l = 0; l < n_layers_; ++l) {
    const TapValue pattern = tap(fmt::format("blocks.{}.attn.pattern", l));
    for (int h = 0; h < n_heads_; ++h) {
      for (int b = 0; b < batch.size(); ++b) {
        const float* p = pattern.data + (h * batch.size() + b) * n_tokens_ * n_tokens_;
        const SequenceMeasures m = measure_sequence(p, match + b * n_pairs_, n_pairs_);
        const std::array<double, per_head_count> values = {m.item_label, m.prev_token, m.target_item_label, m.target_labels, m.induction_strength,
                                                           m.target_item_item, m.attention_entropy, m.target_attention_entropy, m.target_self};
        for (int i = 0; i < per_head_count; ++i) sums[static_cast<std::size_t>(i * heads + l * n_heads_ + h)] += values[static_cast<std::size_t>(i)];
      }
    }
  }
  const TapValue logits = tap("logits");
  const std::int32_t* shown = batch.i32(IclClassification::context_labels_field);
  const auto scalars = static_cast<std::size_t>(per_head_count * heads);
  for (int b = 0; b < batch.size(); ++b) {
    const auto [mass, hit] = context_label(logits.data + b * logits.shape[-1], logits.shape[-1], shown + b * n_pairs_, n_pairs_);
    sums[scalars] += hit;
    sums[scalars + 1] += mass;
  }
}

}  // namespace saltus::icl_classification
