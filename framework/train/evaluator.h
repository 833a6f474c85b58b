#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "train/batch_buffers.h"
#include "train/config.h"

namespace saltus {

/// A part of a test set, which is evaluated at once.
struct Chunk {
  int set, first, size;
};
/// The test sets one after another, `samples` of each or all that it has, cut into chunks of at most 128, none of
/// which is a single sample unless that is all there is.
std::vector<Chunk> chunks_of(const Task& task, std::int64_t samples);

/// Means over test sets with their standard errors, from sums over chunks.
struct SetMeans {
  std::vector<std::vector<double>> mean, error;  // [set][number]
};
/// sums[i] are chunk i's. The error comes from how the chunks' means differ: NaN for a set of one chunk.
SetMeans means_of(std::span<const Chunk> chunks, std::span<const std::vector<double>> sums);

/// Of test sets that have an end, whose samples are independent: gives every measure that is called accuracy, or
/// <something>_accuracy, the binomial error sqrt(p (1 - p) / n), which one chunk is enough for.
void set_binomial_errors(SetMeans& means, const Probe& probe, const Task& task, std::span<const Chunk> chunks);

/// The experiment's reference probe over these chunks of the test sets.
SetMeans reference_means(const Experiment& experiment, std::span<const Chunk> chunks, ThreadPool& pool);

/// Numbers that a probe's measures have in all.
std::size_t numbers_of(const Probe& probe);

/// Means of probes' measures over fixed test sets, sampled anew each time and never stored. A set is cut into chunks
/// whose sums are added in order, so that the result does not depend on the number of threads.
class Evaluator {
 public:
  Evaluator(Experiment& experiment, std::int64_t samples, ThreadPool& pool);

  struct Result {
    std::vector<std::vector<double>> eval;         // [set]: the eval probe's numbers, as Probe::accumulate orders them
    std::vector<std::vector<double>> eval_errors;  // their standard errors
    std::vector<double> progress;                  // the progress probe's numbers
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
  std::unique_ptr<Forward> compile(int batch, bool with_progress);
  void run_chunk(const Chunk& chunk, int thread, std::span<double> eval_sums, std::span<double> progress_sums);

  Experiment& experiment_;
  ThreadPool& pool_;
  int progress_set_;
  std::vector<Chunk> chunks_;
  std::vector<std::map<std::pair<int, bool>, std::unique_ptr<Forward>>> forwards_;  // by thread, (size, with_progress)
  std::size_t eval_size_ = 0, progress_size_ = 0;
};

/// Index of a test set by name; throws, listing what there is.
int eval_set_index(const Task& task, const std::string& name);

}  // namespace saltus
