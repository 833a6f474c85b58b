#pragma once
#include <cstdint>
#include <vector>

#include "kernels/gru_schedule.h"

namespace saltus::kernels {

/// The distinct words of a ragged batch, numbered from 0 in the order in which sequence after sequence has them.
class WordNumbers {
 public:
  /// ids [batch, steps], each in [0, rows), of which sequence b has the first schedule.length(b). Reuses the memory of
  /// earlier calls, and takes a time that does not depend on `rows` but for the first.
  void set(const std::int32_t* ids, const GruSchedule& schedule, std::size_t batch, std::size_t steps,
           std::size_t rows);

  std::size_t size() const { return ids_.size(); }
  std::size_t id(std::size_t number) const { return ids_[number]; }
  std::size_t number(GruSchedule::Word w) const { return numbers_[w.b * steps_ + w.t]; }

 private:
  std::size_t steps_ = 0;
  std::vector<std::size_t> ids_;        // by number
  std::vector<std::uint32_t> numbers_;  // [batch, steps]
  std::vector<std::uint32_t> marks_;    // by id: its number and 1; 0 between calls
};

}  // namespace saltus::kernels
