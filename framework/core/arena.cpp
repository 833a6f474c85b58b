#include "core/arena.h"

#include <algorithm>
#include <cstring>

namespace saltus {

AlignedBlock::AlignedBlock(std::size_t bytes)
    : bytes_(aligned(bytes)), data_(static_cast<std::byte*>(std::aligned_alloc(alignment, std::max(bytes_, alignment)))) {
  if (!data_) throw std::bad_alloc();
  std::memset(data_.get(), 0, bytes_);
}

std::size_t OffsetAllocator::take(std::size_t bytes) {
  bytes = aligned(bytes);
  for (auto range = free_.begin(); range != free_.end(); ++range) {
    if (range->bytes < bytes) continue;
    const std::size_t offset = range->offset;
    range->offset += bytes;
    range->bytes -= bytes;
    if (range->bytes == 0) free_.erase(range);
    return offset;
  }
  // The last free range may reach the end: grow from there.
  if (!free_.empty() && free_.back().offset + free_.back().bytes == high_water_) {
    const std::size_t offset = free_.back().offset;
    free_.pop_back();
    high_water_ = offset + bytes;
    return offset;
  }
  high_water_ += bytes;
  return high_water_ - bytes;
}

void OffsetAllocator::give_back(std::size_t offset, std::size_t bytes) {
  bytes = aligned(bytes);
  if (bytes == 0) return;
  auto next = std::lower_bound(free_.begin(), free_.end(), offset, [](const Range& r, std::size_t at) { return r.offset < at; });
  if (next != free_.begin() && std::prev(next)->offset + std::prev(next)->bytes == offset) {
    auto before = std::prev(next);
    before->bytes += bytes;
    if (next != free_.end() && before->offset + before->bytes == next->offset) {
      before->bytes += next->bytes;
      free_.erase(next);
    }
  } else if (next != free_.end() && offset + bytes == next->offset) {
    next->offset = offset;
    next->bytes += bytes;
  } else {
    free_.insert(next, {offset, bytes});
  }
}

}  // namespace saltus
