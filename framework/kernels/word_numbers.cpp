#include "kernels/word_numbers.h"

namespace saltus::kernels {

void WordNumbers::set(const std::int32_t* ids, const GruSchedule& schedule, std::size_t batch, std::size_t steps,
                      std::size_t rows) {
  steps_ = steps;
  ids_.clear();
  numbers_.resize(batch * steps);
  if (marks_.size() < rows) marks_.resize(rows, 0);
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::size_t at = b * steps, end = at + schedule.length(b); at < end; ++at) {
      const auto id = static_cast<std::size_t>(ids[at]);
      std::uint32_t& mark = marks_[id];
      if (mark == 0) {
        ids_.push_back(id);
        mark = static_cast<std::uint32_t>(ids_.size());
      }
      numbers_[at] = mark - 1;
    }
  }
  for (const std::size_t id : ids_) marks_[id] = 0;
}

}  // namespace saltus::kernels
