#include "train/batch_buffers.h"

namespace saltus {

BatchBuffers::BatchBuffers(const std::vector<SampleField>& fields, int batch_size, const Plan& plan) : batch_(batch_size, {}) {
  std::vector<void*> memory;
  for (const SampleField& field : fields) {
    void* to = plan.input(field.name);
    if (!to) {
      own_.emplace_back(static_cast<std::size_t>(batch_size * field.shape.size()) * 4);
      to = own_.back().data();
    }
    memory.push_back(to);
  }
  batch_ = Batch(batch_size, std::move(memory));
}

}  // namespace saltus
