#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "data/needle.h"
#include "experiments/titans/model.h"

namespace saltus::titans {

struct NeedleStreamRequest {
  std::vector<std::int64_t> lengths;  // of the sequences; any, as memory does not grow with them
  int set = 0;                        // which of the task's test sets
  std::int64_t samples = 64;
  std::int64_t batch = 16;     // sequences side by side in one stream
  std::int64_t stretch = 256;  // tokens at a time; whole chunks and segments, as of stretch_for()
};

/// What a trained model knows at the end of sequences of one length, mean over samples with its standard error.
struct NeedleRecall {
  std::int64_t length = 0;
  double accuracy = 0, accuracy_error = 0;
  double loss = 0, loss_error = 0;
};

/// Reads needle sequences of each length and asks at their end, which is the only place where a needle sequence asks.
/// The numbers are those that the whole sequence at once would give, whatever stretch, batch and threads; only with the
/// intervention swap does the batch say who is whose neighbour. `progress` is
/// told the share of the tokens that are read.
std::vector<NeedleRecall> stream_needles(ParamStore& params, const ModelConfig& model, const NeedleConfig& task,
                                         const Seeds& seeds, const NeedleStreamRequest& request, ThreadPool& pool,
                                         const std::function<void(double)>& progress = {});

}  // namespace saltus::titans
