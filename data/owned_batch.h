#pragma once
#include <vector>

#include "core/arena.h"
#include "data/task.h"

namespace saltus {

/// A batch with memory of its own, for whoever looks at a task's samples without a plan.
class OwnedBatch {
 public:
  OwnedBatch(const std::vector<SampleField>& fields, int size) : batch_(size, {}) {
    std::vector<void*> arrays;
    for (const SampleField& field : fields) {
      memory_.emplace_back(static_cast<std::size_t>(size * field.shape.size()) * 4);  // f32 and i32 alike
      arrays.push_back(memory_.back().data());
    }
    batch_ = Batch(size, std::move(arrays));
  }
  const Batch& batch() const { return batch_; }

 private:
  std::vector<AlignedBlock> memory_;
  Batch batch_;
};

}  // namespace saltus
