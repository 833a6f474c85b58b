#pragma once
#include <vector>

#include "core/arena.h"
#include "data/task.h"
#include "graph/plan.h"

namespace saltus {

/// The memory of one batch: fields that a plan reads are written straight into the plan's inputs, the others into memory of its own. Of a
/// plan for several runs (autodiff/runs.h), into the part of one of them.
class BatchBuffers {
 public:
  BatchBuffers(const std::vector<SampleField>& fields, int batch_size, const Plan& plan, std::size_t run = 0);
  const Batch& batch() const { return batch_; }

 private:
  std::vector<AlignedBlock> own_;
  Batch batch_;
};

}  // namespace saltus
