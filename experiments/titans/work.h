#pragma once
#include "data/sequence_task.h"
#include "experiments/titans/model.h"
#include "train/work.h"

namespace saltus::titans {

/// Whether work() is about this model: blocks of a memory that nothing is done to, its gradient taken in full.
bool has_counted_work(const ModelConfig& model);

/// What a task's sequences ask of a model.
struct Reading {
  double positions = 0;   // a sequence
  double answers = 0;     // of these, with weight in the loss
  double vocabulary = 0;  // tokens that there are
};
/// Of a task's training sequences; the answers as in the first 64.
Reading reading_of(const SequenceTask& task);

/// A training step on `batch` sequences; work.cpp derives it.
Work work(const ModelConfig& model, const Reading& reading, std::int64_t batch);

/// The memory of one head: a forward pass over `tokens` tokens, `reads` of which are asked, whichever way takes fewer
/// operations. Before `fresh` memories nothing was written.
double memory_flops(const MixerConfig& config, double tokens, double reads, bool fresh);

}  // namespace saltus::titans
