#include "train/batch_buffers.h"

namespace saltus {

BatchBuffers::BatchBuffers(const std::vector<SampleField>& fields, int batch_size, const Plan& plan, std::size_t run)
    : batch_(batch_size, {}) {
  std::vector<void*> memory;
  for (const SampleField& field : fields) {
    const auto bytes = static_cast<std::size_t>(batch_size * field.shape.size()) * 4;
    auto* input = static_cast<std::byte*>(plan.input(field.name));
    if (!input) own_.emplace_back(bytes);
    memory.push_back(input ? input + run * bytes : own_.back().data());
  }
  batch_ = Batch(batch_size, std::move(memory));
}

}  // namespace saltus
