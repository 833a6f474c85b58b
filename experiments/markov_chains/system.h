#pragma once
#include "train/system.h"

namespace saltus::markov_chains {

/// Markov chains in context: from uniform predictions over unigrams to bigrams (Edelman et al. 2024).
System system();

}  // namespace saltus::markov_chains
