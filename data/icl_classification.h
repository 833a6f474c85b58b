#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/fields.h"
#include "core/rng.h"
#include "data/task.h"

namespace saltus {

/// The knobs of IclClassification; data/README.md explains the task.
struct IclClassificationConfig {
  std::int64_t n_classes = 256;
  std::int64_t n_labels = 32;
  std::int64_t n_pairs = 8;
  std::int64_t max_pairs = 32;
  std::int64_t item_dim = 63;
  double within_class_noise = 0.1;
  double zipf_exponent = 0;
  std::int64_t burstiness = 1;
  double p_bursty = 1;
  double p_novel = 0.8;
  std::int64_t novel_pool = 128;
  bool distinct_labels = true;
  std::string burst_class_law = "uniform";
  std::string position_shift = "random";

  void fields(Fields& f);

  std::int64_t n_tokens() const { return 2 * n_pairs + 1; }           // T
  std::int64_t position_dim() const { return 2 * max_pairs + 1; }     // P
  std::int64_t d_model() const { return position_dim() + item_dim; }  // d
  /// Copies of each class in a bursty context: B, or N / 2 when B = 0.
  std::int64_t copies() const { return burstiness > 0 ? burstiness : n_pairs / 2; }
  std::int64_t n_context_classes() const { return n_pairs / copies(); }  // G
};

/// In-context classification (Reddy 2024, arXiv 2312.03002, section 2): N item-label pairs, then a target item whose
/// label is asked. Classes are Gaussian clusters in R^D; class k has label k mod L for ever, so a network can memorise
/// the map (in-weights), or read the answer off the context (in-context) when the target's class is there, as it is in
/// bursty sequences.
///
/// Arrays of a sample, in the order of fields():
///   tokens         f32 [position = 2N+1, d_model = P+D]  one-hot position, then content; item, label, ..., target item
///   label          i32 []                                the right answer, in 0..L-1
///   context_labels i32 [pair = N]                        label shown with each context item
///   context_match  i32 [pair = N]                        1 where the item is of the target's class
class IclClassification : public Task {
 public:
  enum Field { tokens_field, label_field, context_labels_field, context_match_field };

  /// Throws when `config` breaks a rule between its keys. That each key is in its range was checked where it was read.
  IclClassification(const IclClassificationConfig& config, const Seeds& seeds);

  std::vector<SampleField> fields() const override;
  /// iid, ic, ic2, iw, and ciwl when it can be made (K >= 2L and G <= L).
  std::vector<std::string> eval_sets() const override;
  void sample_train(std::int64_t step, int first, const Batch& batch) const override;
  void sample_eval(int set, int first, const Batch& batch) const override;

  const IclClassificationConfig& config() const { return config_; }
  /// mu_k [item_dim], components N(0, 1/D): the centre of class k.
  std::span<const float> centre(int k) const;
  /// lambda_l [item_dim], components N(0, 1/D): the content of a token that shows label l.
  std::span<const float> label_vector(int l) const;

 private:
  /// How one set's sequences are made; training is the set with the config's own p_bursty and p_novel.
  struct Recipe {
    std::string name;
    double p_bursty, p_novel;
    std::uint32_t label_shift = 0;  // every label, shown and asked, is (label + shift) mod L
    bool target_outside = false;    // the target is of another class with the label of a context class
  };
  struct Scratch;

  void sample(const Recipe& recipe, const Rng& rng, std::uint32_t step, int first, const Batch& batch) const;
  void draw_classes(const Recipe& recipe, RngCursor& cursor, Scratch& s) const;
  void draw_burst(RngCursor& cursor, bool novel, bool distinct, Scratch& s) const;
  std::uint32_t draw_class(RngCursor& cursor) const;
  std::uint32_t draw_class_of_unused_label(RngCursor& cursor, Scratch& s) const;
  const float* scaled_centre(const Rng& rng, std::uint32_t step, std::uint32_t k, Scratch& s) const;
  void write_tokens(const Recipe& recipe, const Rng& rng, std::uint32_t step, std::uint32_t shift, Scratch& s,
                    float* out) const;

  IclClassificationConfig config_;
  Rng data_rng_, eval_rng_;
  Recipe train_;
  std::vector<Recipe> eval_;
  std::vector<float> centres_, label_vectors_;  // [class, item_dim], [label, item_dim]
  std::vector<float> scaled_centres_;           // [class, item_dim]: centres / sqrt(1 + eps^2)
  std::vector<std::uint64_t> class_threshold_;  // [class]: 2^32 P(class <= k) under f
  std::vector<double> class_weight_;            // [class]: (k+1)^-alpha
  std::vector<double> label_weight_;            // [label]: sum of its classes' weights
};

}  // namespace saltus
