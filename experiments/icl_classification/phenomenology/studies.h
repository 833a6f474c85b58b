#pragma once
#include "study/study.h"

/// What the phenomenological model (nested_logits.h) says of abrupt learning, computed from a config and written to a
/// file: `saltus study configs/icl_classification/<name>.yaml`.
namespace saltus::icl_classification {

/// The loss over (xi, alpha) at given beta_1 and numbers of labels, with the paths of gradient flow on it.
Study landscape_study();
/// The three logits, the loss and the progress measures against time, of named cases.
Study trajectories_study();
/// When the jump comes against the number of pairs, for numbers of labels that grow with it; exponents.
Study transition_times_study();

}  // namespace saltus::icl_classification
