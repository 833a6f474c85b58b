#pragma once
#include "train/system.h"

namespace saltus::icl_classification {

/// Abrupt learning of an induction head: the task, the two-layer attention-only network and their measures.
System system();

}  // namespace saltus::icl_classification
