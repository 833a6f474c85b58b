#pragma once
#include "study/study.h"

namespace saltus::icl_regression {

/// Test risk against the number of training samples of layers of attention with frozen random query-key weights,
/// zero-mean (rfa) and biased (brfa), and of a random-feature network (rfmlp) with as many trained parameters (Fu, Guo,
/// Bai and Mei 2023).
Study random_features_study();

}  // namespace saltus::icl_regression
