#pragma once
#include "train/system.h"

namespace saltus::titans {

/// Sequence models with and without a memory that learns while it reads (Titans, arXiv 2501.00663) on tasks of tokens:
/// one model and one set of measures (model.h, probes.h, memory_probes.h), four tasks.
System recall_system();    ///< multi-query associative recall (data/recall.h)
System needle_system();    ///< a needle in a haystack (data/needle.h)
System copy_system();      ///< selective copying (data/selective_copy.h)
System tracking_system();  ///< the word problem of a group (data/state_tracking.h)
/// The same blocks on real vectors: regression whose coefficients drift (data/drifting_regression.h).
System regression_system();

}  // namespace saltus::titans
