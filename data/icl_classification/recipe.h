#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/icl_classification/config.h"

namespace saltus::icl {

/// The independent draws of one sample, of one class or of one label.
enum Lane : std::uint32_t {
  lane_choices,
  lane_noise,
  lane_centre,
  lane_label_vector,
  lane_map,
  lane_label_choice,
  lane_asked_pair,
  lane_exemplar_choice,
  lane_first_exemplar  // exemplar e of a class has the lane lane_first_exemplar + e: keep it last
};

/// The target of a bursty sequence.
enum class Target {
  in_context,  // of a class in the context
  same_label,  // of another class with the label of a class in the context
  outside      // of any class that is not in the context
};

/// How one set's sequences are made.
struct Recipe {
  double p_bursty = 1, p_novel = 0;
  Target target = Target::in_context;
  /// Classes [from, to) that the target of a sequence without bursts is of; to = 0: all.
  std::uint32_t target_from = 0, target_to = 0;
  std::uint32_t label_shift = 0;  // every label, shown and asked, is (label + shift) mod L
  bool held_out_labels = false;   // relabelled: the labels that training never gives a class
  bool any_pair_asked = false;    // the label asked is that of a pair of the context, whichever
  std::uint32_t generation = 0;   // of the known classes: 0 those that stay, 1 + i the i-th that are drawn anew
};

struct TestSet {
  std::string name;
  Recipe recipe;
};

/// Training at `step`.
Recipe train_recipe(const IclClassificationConfig& config, std::int64_t step);
/// Those test sets that mean something for the task, in the order of run.h5's evalset axis.
std::vector<TestSet> test_sets(const IclClassificationConfig& config);

/// What one sequence shows, before it is written as vectors.
struct Sequence {
  bool novel = false;  // its classes are of the pool, else of the task
  bool bursty = true;
  std::vector<std::uint32_t> context;  // [pair]: class
  std::uint32_t target = 0;            // class
  std::vector<std::uint32_t> shown;    // [pair]: label
  std::uint32_t asked = 0;             // label
};

}  // namespace saltus::icl
