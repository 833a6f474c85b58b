#pragma once
#include "train/system.h"

namespace saltus::icl_classification {

/// Abrupt learning of an induction head: the task, the two-layer attention-only network and their measures.
System system();

/// The same task, with attention of both layers reduced to three numbers (section "minimal model" of Reddy 2024).
System minimal_system();

/// Binary labels, one layer: an MLP that memorises and attention that copies, added (Nguyen & Reddy 2024).
System split_system();

}  // namespace saltus::icl_classification
