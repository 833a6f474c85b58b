#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "train/batch_buffers.h"
#include "train/config.h"

namespace saltus {

/// Means of probes' measures over fixed test sets, sampled anew each time and never stored. A set is cut into chunks whose sums are
/// added in order, so that the result does not depend on the number of threads.
class Evaluator {
 public:
  Evaluator(Experiment& experiment, std::int64_t samples, ThreadPool& pool);

  struct Result {
    std::vector<std::vector<double>> eval;  // [set][measure]
    std::vector<double> progress;           // the progress probe's numbers, as Probe::accumulate orders them
  };
  Result run();

 private:
  /// A compiled forward pass with the taps of some probes.
  struct Forward {
    Plan plan;
    BatchBuffers buffers;
    std::vector<std::string> taps;
    std::vector<Shape> shapes;
    TapValue tap(const std::string& name) const;
  };
  struct Chunk {
    int set, first, size;
  };
  std::unique_ptr<Forward> compile(int batch, bool with_progress);
  void run_chunk(const Chunk& chunk, int thread, std::span<double> eval_sums, std::span<double> progress_sums);

  Experiment& experiment_;
  ThreadPool& pool_;
  int progress_set_;
  std::int64_t samples_;
  std::vector<Chunk> chunks_;
  std::vector<std::map<std::pair<int, bool>, std::unique_ptr<Forward>>> forwards_;  // by thread, (size, with_progress)
  std::size_t eval_size_ = 0, progress_size_ = 0;
};

/// Index of a test set by name; throws, listing what there is.
int eval_set_index(const Task& task, const std::string& name);

}  // namespace saltus
