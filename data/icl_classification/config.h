#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "config/fields.h"

namespace saltus {

/// The knobs of IclClassification; data/README.md explains the task.
struct IclClassificationConfig {
  std::int64_t n_classes = 256;
  std::int64_t n_labels = 32;
  std::int64_t n_pairs = 8;
  std::int64_t max_pairs = 32;
  std::int64_t item_dim = 63;
  double within_class_noise = 0.1;
  std::int64_t exemplars = 0;
  double zipf_exponent = 0;
  std::int64_t n_common = 0;
  std::optional<double> p_common;
  std::int64_t burstiness = 1;
  double p_bursty = 1;
  double p_novel = 0.8;
  std::optional<double> p_novel_end;
  std::int64_t p_novel_steps = 0;
  std::int64_t novel_pool = 128;
  bool distinct_labels = true;
  std::string burst_class_law = "uniform";
  bool target_in_context = true;
  std::string label_law = "fixed";
  double relabel_held_out = 0;
  std::int64_t labels_per_class = 1;
  std::int64_t n_maps = 1;
  double map_zipf_exponent = 0;
  std::int64_t random_label_steps = 0;
  std::int64_t redraw_every = 0;
  std::optional<std::int64_t> redraw_steps;
  std::string position_shift = "random";

  void fields(Fields& f);
  /// Calls require(ok, key, message) for every rule between the keys.
  void rules(const std::function<void(bool ok, const char* key, const std::string& message)>& require) const;

  std::int64_t n_tokens() const { return 2 * n_pairs + 1; }           // T
  std::int64_t position_dim() const { return 2 * max_pairs + 1; }     // P
  std::int64_t d_model() const { return position_dim() + item_dim; }  // d
  /// Copies of each class in a bursty context: B, or N / 2 when B = 0.
  std::int64_t copies() const { return burstiness > 0 ? burstiness : n_pairs / 2; }
  std::int64_t n_context_classes() const { return n_pairs / copies(); }  // G
  bool relabelled() const { return label_law == "relabelled"; }
  /// Labels of every class that training never shows it with, when labels are drawn afresh.
  std::int64_t n_held_out() const;
  /// p_C at a training step.
  double p_novel_at(std::int64_t step) const {
    if (!p_novel_end) return p_novel;
    return p_novel + (*p_novel_end - p_novel) * static_cast<double>(std::min(step, p_novel_steps)) /
                         static_cast<double>(p_novel_steps);
  }
};

}  // namespace saltus
