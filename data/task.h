#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/shape.h"

namespace saltus {

/// One named array that every sample of a task has, for example tokens [position, d_model].
struct SampleField {
  std::string name;
  Shape shape;                    // of one sample, without the batch axis
  DType dtype = DType::f32;
  std::vector<std::string> dims;  // the axes' names, as run.h5 shows them
};

/// Buffers for `size` samples, one per SampleField in the task's order, each row-major with the sample axis first.
/// A view: whoever made it owns the memory.
class Batch {
 public:
  Batch(int size, std::vector<void*> fields) : size_(size), fields_(std::move(fields)) {}
  int size() const { return size_; }
  float* f32(int field) const { return static_cast<float*>(fields_.at(static_cast<std::size_t>(field))); }
  std::int32_t* i32(int field) const { return static_cast<std::int32_t*>(fields_.at(static_cast<std::size_t>(field))); }

 private:
  int size_;
  std::vector<void*> fields_;
};

/// Where examples come from. Samples of unlike lengths come in buckets, each with array shapes of its own: a training batch is of one bucket,
/// a test set of the last, whose arrays hold the longest. Sampling is a pure function of the seeds and of (step, sample): any part of any batch can be made
/// at any time, by any thread, and a resumed run needs only the step number.
class Task {
 public:
  virtual ~Task() = default;
  /// Of the last bucket.
  virtual std::vector<SampleField> fields() const = 0;
  virtual int buckets() const { return 1; }
  virtual std::vector<SampleField> bucket_fields(int /*bucket*/) const { return fields(); }
  virtual int train_bucket(std::int64_t /*step*/) const { return 0; }
  /// Names of the fixed test sets, in the order of run.h5's evalset axis.
  virtual std::vector<std::string> eval_sets() const = 0;
  /// Samples that a test set has; those that are drawn have no end.
  virtual std::int64_t eval_samples(int /*set*/) const { return std::numeric_limits<std::int64_t>::max(); }
  /// Writes samples [first, first + batch.size()) of the training batch of `step`, of the bucket train_bucket(step). Thread-safe.
  virtual void sample_train(std::int64_t step, int first, const Batch& batch) const = 0;
  /// Writes samples [first, first + batch.size()) of a fixed test set. Thread-safe.
  virtual void sample_eval(int set, int first, const Batch& batch) const = 0;
};

}  // namespace saltus
