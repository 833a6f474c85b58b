#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "core/rng.h"
#include "data/icl_classification/recipe.h"

namespace saltus::icl {

/// The vectors of a task: centres of its classes, their exemplars, and labels; and the tokens made of them.
class Items {
 public:
  /// Draws the centres of the classes that stay and the label vectors, all components N(0, 1/D).
  Items(const IclClassificationConfig& config, const Rng& task_rng);

  /// mu_k [item_dim] of the classes that stay.
  std::span<const float> centre(std::size_t k) const;
  /// lambda_l [item_dim].
  std::span<const float> label_vector(std::size_t l) const;

  /// Room for a call's sequences, made once. A row is item_dim rounded up to whole Philox blocks.
  struct Scratch {
    explicit Scratch(const IclClassificationConfig& config);
    std::size_t stride;
    std::vector<float> noise;  // [item, stride]
    std::vector<float> pool;   // [novel class, stride]: centres / sqrt(1 + eps^2), made when first used
    std::vector<std::uint8_t> pool_ready;
    std::vector<float> redrawn;  // [stride]: the same of one class that does not stay
  };

  /// Where a sequence's numbers come from: sample `number` of `step` in the stream `rng`.
  struct Source {
    const Rng& rng;
    std::uint32_t number, step, generation;
  };

  /// Writes the tokens [2N+1, P+D] of a sequence that starts at position `shift`. Items are
  /// (mu + eps eta) / sqrt(1 + eps^2) with eta ~ N(0, I/D), so that E|x|^2 = 1 for every eps.
  void write(const Source& source, const Sequence& sequence, std::size_t shift, Scratch& scratch, float* out) const;

 private:
  void draw_noise(const Source& source, const Sequence& s, Scratch& scratch) const;
  const float* scaled_centre(const Source& source, bool novel, std::uint32_t k, Scratch& scratch) const;
  /// A row of sqrt(D) mu becomes one of mu / sqrt(1 + eps^2).
  void scale_centre(std::span<float> row) const;

  Rng task_rng_;
  std::size_t dim_, position_dim_;
  std::uint32_t exemplars_;
  double eps_;
  std::vector<float> centres_, label_vectors_;  // [class, item_dim], [label, item_dim]
  std::vector<float> scaled_centres_;           // [class, item_dim]: centres / sqrt(1 + eps^2)
};

}  // namespace saltus::icl
