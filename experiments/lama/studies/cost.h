#pragma once
#include "study/study.h"

namespace saltus::lama {

/// What each pooling costs, without a corpus: its parameters against the number of heads, exactly, and the time of
/// inference on one thread against the length of a text, of the encoder, of each attention and of whole models.
/// Parameters and operations are functions of the settings; times are not, and their long_name says so.
Study cost_study();

}  // namespace saltus::lama
