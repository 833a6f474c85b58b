#pragma once
#include "train/system.h"

namespace saltus::lama {

/// Low-rank multi-head attention over a GRU (LAMA: Mehta, Rangwala and Ramakrishnan 2019, arXiv 1912.00835) and its
/// rivals as classifiers of texts: model.h on data/text/text_classification.h.
System system();

}  // namespace saltus::lama
