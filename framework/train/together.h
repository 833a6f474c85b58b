#pragma once
#include <functional>
#include <vector>

#include "core/check.h"
#include "train/trainer.h"

namespace saltus {

/// A run to be trained with others; options.threads does not count.
struct GroupedRun {
  TrainConfig config;
  RunOptions options;
};

/// How a run ended: `error` is null where it is done or was interrupted.
using RunEnded = std::function<void(std::size_t run, const RunReport& report, const Error* error)>;

/// Trains runs that are of one StepKind, each into its own folder, taking their steps together on `threads` threads (0:
/// one a core). Every run ends with the bytes that train() gives it. Runs may begin at steps of their own and end each
/// in its own way; `ended` is called once for each, as soon as it has ended. A signal stops them all, saved.
void train_together(const std::vector<GroupedRun>& runs, int threads, const RunEnded& ended);

}  // namespace saltus
