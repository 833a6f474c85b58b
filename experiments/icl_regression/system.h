#pragma once
#include "train/system.h"

namespace saltus::icl_regression {

/// In-context linear regression by one layer of multi-head attention: the task, the model, its circuits' measures, and
/// theory's predictors as references.
System system();

/// The same task for a decoder of several layers on interleaved tokens x_1, y_1, x_2, ..., x_q (Garg et al. 2022).
System deep_system();

}  // namespace saltus::icl_regression
