#include "data/icl_classification/items.h"

#include <cmath>
#include <cstring>

#include "kernels/random.h"

namespace saltus::icl {

Items::Scratch::Scratch(const IclClassificationConfig& c)
    : stride((static_cast<std::size_t>(c.item_dim) + 3) / 4 * 4),
      noise(stride * static_cast<std::size_t>(c.n_pairs + 1)),
      pool(stride * static_cast<std::size_t>(c.novel_pool)),
      pool_ready(static_cast<std::size_t>(c.novel_pool)),
      redrawn(stride) {}

Items::Items(const IclClassificationConfig& config, const Rng& task_rng)
    : task_rng_(task_rng),
      dim_(static_cast<std::size_t>(config.item_dim)),
      position_dim_(static_cast<std::size_t>(config.position_dim())),
      exemplars_(static_cast<std::uint32_t>(config.exemplars)),
      eps_(config.within_class_noise) {
  const auto unit_rows = [&](std::int64_t rows, Lane lane) {
    std::vector<float> out(static_cast<std::size_t>(rows) * dim_);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      fill_normal(task_rng, {.sample = static_cast<std::uint32_t>(row), .lane = lane},
                  std::span(out).subspan(row * dim_, dim_));
    }
    for (float& x : out) x /= std::sqrt(static_cast<float>(dim_));
    return out;
  };
  centres_ = unit_rows(config.n_classes, lane_centre);
  label_vectors_ = unit_rows(config.n_labels, lane_label_vector);
  const auto scale = static_cast<float>(1 / std::sqrt(1 + eps_ * eps_));
  scaled_centres_ = centres_;
  for (float& x : scaled_centres_) x *= scale;
}

std::span<const float> Items::centre(std::size_t k) const { return std::span(centres_).subspan(k * dim_, dim_); }

std::span<const float> Items::label_vector(std::size_t l) const {
  return std::span(label_vectors_).subspan(l * dim_, dim_);
}

void Items::scale_centre(std::span<float> row) const {
  const auto scale = static_cast<float>(1 / std::sqrt((1 + eps_ * eps_) * static_cast<double>(dim_)));
  for (float& x : row) x *= scale;
}

/// A novel class is one of the pool of the step, whoever asks; a class of a generation is the same in all of its steps.
const float* Items::scaled_centre(const Source& source, bool novel, std::uint32_t k, Scratch& scratch) const {
  if (!novel && source.generation == 0) return scaled_centres_.data() + k * dim_;
  if (!novel) {
    fill_normal(task_rng_, {.sample = k, .step = source.generation, .lane = lane_centre}, scratch.redrawn);
    scale_centre(scratch.redrawn);
    return scratch.redrawn.data();
  }
  const std::span<float> row = std::span(scratch.pool).subspan(k * scratch.stride, scratch.stride);
  if (!scratch.pool_ready[k]) {
    fill_normal(source.rng, {.sample = k, .step = source.step, .lane = lane_centre}, row);
    scale_centre(row);
    scratch.pool_ready[k] = 1;
  }
  return row.data();
}

/// Fills scratch.noise with sqrt(D) eta: fresh, or that of exemplars, which are keyed as their class's centre is.
void Items::draw_noise(const Source& source, const Sequence& s, Scratch& scratch) const {
  if (exemplars_ == 0) {
    fill_normal(source.rng, {.sample = source.number, .step = source.step, .lane = lane_noise}, scratch.noise);
    return;
  }
  RngCursor cursor(source.rng, source.number, source.step, lane_exemplar_choice);
  for (std::size_t item = 0; item <= s.context.size(); ++item) {
    const std::uint32_t k = item < s.context.size() ? s.context[item] : s.target;
    const Draw draw{.sample = k,
                    .step = s.novel ? source.step : source.generation,
                    .lane = lane_first_exemplar + cursor.below(exemplars_)};
    fill_normal(s.novel ? source.rng : task_rng_, draw,
                std::span(scratch.noise).subspan(item * scratch.stride, scratch.stride));
  }
}

void Items::write(const Source& source, const Sequence& s, std::size_t shift, Scratch& scratch, float* out) const {
  draw_noise(source, s, scratch);
  const auto noise_scale = static_cast<float>(eps_ / std::sqrt((1 + eps_ * eps_) * static_cast<double>(dim_)));
  std::size_t position = shift;
  const auto next_content = [&] {
    std::memset(out, 0, position_dim_ * sizeof(float));
    out[position++] = 1;
    float* content = out + position_dim_;
    out = content + dim_;
    return content;
  };
  const std::size_t dim = dim_;
  for (std::size_t item = 0; item <= s.context.size(); ++item) {
    const std::uint32_t k = item < s.context.size() ? s.context[item] : s.target;
    const float* __restrict centre = scaled_centre(source, s.novel, k, scratch);
    const float* __restrict noise = scratch.noise.data() + item * scratch.stride;
    float* __restrict content = next_content();
    for (std::size_t i = 0; i < dim; ++i) content[i] = centre[i] + noise_scale * noise[i];
    if (item < s.context.size()) {
      std::memcpy(next_content(), label_vectors_.data() + s.shown[item] * dim, dim * sizeof(float));
    }
  }
}

}  // namespace saltus::icl
