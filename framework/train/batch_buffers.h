#pragma once
#include <vector>

#include "core/arena.h"
#include "data/task.h"
#include "graph/plan.h"

namespace saltus {

/// The memory of one batch: fields that a plan reads are written straight into the plan's inputs, the others into memory of its own.
class BatchBuffers {
 public:
  BatchBuffers(const std::vector<SampleField>& fields, int batch_size, const Plan& plan);
  const Batch& batch() const { return batch_; }

 private:
  std::vector<AlignedBlock> own_;
  Batch batch_;
};

}  // namespace saltus
