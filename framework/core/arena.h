#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

namespace saltus {

/// Alignment of every array: a cache line, and the widest vector.
constexpr std::size_t alignment = 64;
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// One zeroed, aligned block of memory.
class AlignedBlock {
 public:
  explicit AlignedBlock(std::size_t bytes = 0);
  std::byte* data() const { return data_.get(); }
  float* floats() const { return reinterpret_cast<float*>(data_.get()); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  std::size_t bytes_;
  std::unique_ptr<std::byte, Free> data_;
};

/// Hands out offsets into an arena that does not exist yet: first fit among what was given back, else at the end. Used at compile
/// time of a plan, when all lifetimes are known.
class OffsetAllocator {
 public:
  std::size_t take(std::size_t bytes);
  void give_back(std::size_t offset, std::size_t bytes);
  /// Bytes that the arena must have.
  std::size_t high_water() const { return high_water_; }

 private:
  struct Range {
    std::size_t offset, bytes;
  };
  std::vector<Range> free_;  // by offset; never two that touch
  std::size_t high_water_ = 0;
};

}  // namespace saltus
