#include "data/icl_classification/label_draws.h"

#include <algorithm>
#include <cmath>

namespace saltus::icl {

LabelDraws::LabelDraws(const IclClassificationConfig& config)
    : n_labels_(static_cast<std::uint32_t>(config.n_labels)),
      n_choices_(static_cast<std::uint32_t>(config.relabelled() ? config.n_labels : config.labels_per_class)),
      stride_(n_labels_ / n_choices_),
      n_held_out_(static_cast<std::uint32_t>(config.relabelled() ? config.n_held_out() : 0)),
      distinct_labels_(config.distinct_labels) {
  if (config.n_maps == 1) return;
  std::vector<double> below;  // [map]
  double total = 0;
  for (std::int64_t map = 0; map < config.n_maps; ++map) {
    total += std::pow(static_cast<double>(map + 1), -config.map_zipf_exponent);
    below.push_back(total);
  }
  for (double sum : below) map_threshold_.push_back(static_cast<std::uint64_t>(std::llround(sum / total * 0x1p32)));
}

std::uint32_t LabelDraws::draw_map(RngCursor cursor) const {
  return static_cast<std::uint32_t>(std::upper_bound(map_threshold_.begin(), map_threshold_.end(), cursor.next()) -
                                    map_threshold_.begin());
}

/// One of its choices for each class, uniformly. In bursts of distinct labels the classes take turns among the choices
/// that are left. There is always one: with labels_per_class no more classes of the context share choices than there
/// are, since their label(k) differ, and when labels are drawn afresh the rules leave enough.
void LabelDraws::choose(const Recipe& recipe, RngCursor cursor, Sequence& s) const {
  const std::uint32_t from = recipe.held_out_labels ? 0 : n_held_out_,
                      to = recipe.held_out_labels ? n_held_out_ : n_choices_;
  const auto draw_label = [&](std::uint32_t k) { return (k + stride_ * (from + cursor.below(to - from))) % n_labels_; };
  const auto earlier = [&s](std::uint32_t k, std::size_t i) {
    return static_cast<std::size_t>(
        std::find(s.context.begin(), s.context.begin() + static_cast<std::ptrdiff_t>(i), k) - s.context.begin());
  };
  for (std::size_t i = 0; i < s.context.size(); ++i) {
    const std::size_t same = earlier(s.context[i], i);
    if (same < i) {
      s.shown[i] = s.shown[same];
      continue;
    }
    const auto end = s.shown.begin() + static_cast<std::ptrdiff_t>(i);
    do s.shown[i] = draw_label(s.context[i]);
    while (s.bursty && distinct_labels_ && std::find(s.shown.begin(), end, s.shown[i]) != end);
  }
  const std::size_t same = earlier(s.target, s.context.size());
  s.asked = same < s.context.size() ? s.shown[same] : draw_label(s.target);
}

void LabelDraws::draw(const Recipe& recipe, const Rng& rng, std::uint32_t number, std::uint32_t step,
                      Sequence& s) const {
  std::uint32_t shift = recipe.label_shift;
  if (!map_threshold_.empty()) shift += draw_map(RngCursor(rng, number, step, lane_map));
  if (n_choices_ == 1) {
    for (std::size_t i = 0; i < s.context.size(); ++i) s.shown[i] = (s.context[i] + shift) % n_labels_;
    s.asked = (s.target + shift) % n_labels_;
  } else {
    choose(recipe, RngCursor(rng, number, step, lane_label_choice), s);
    for (std::uint32_t& label : s.shown) label = (label + shift) % n_labels_;
    s.asked = (s.asked + shift) % n_labels_;
  }
  if (recipe.any_pair_asked) {
    RngCursor cursor(rng, number, step, lane_asked_pair);
    s.asked = s.shown[cursor.below(static_cast<std::uint32_t>(s.shown.size()))];
  }
}

}  // namespace saltus::icl
