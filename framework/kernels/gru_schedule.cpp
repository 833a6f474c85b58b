#include "kernels/gru_schedule.h"

#include <algorithm>

namespace saltus::kernels {
namespace {

// Rows enough that the products run at full speed, few enough that they and their results stay in the second-level
// cache between the product and the steps that read it. Measured at E = 64, h = 48: 256 to 2048 are within a tenth of
// each other.
constexpr std::size_t chunk_rows = 512;

}  // namespace

void GruSchedule::set(const float* mask, std::size_t batch, std::size_t steps, bool reverse) {
  reverse_ = reverse;
  length_.assign(batch, 0);
  active_.assign(steps, 0);
  for (std::size_t b = 0; b < batch; ++b) {
    std::size_t& length = length_[b];
    for (; length < steps && mask[b * steps + length] != 0.0f; ++length) ++active_[length];
  }
  // As many sequences come before one of length n as are longer.
  next_rank_ = active_;
  next_rank_.push_back(0);
  sequence_.assign(batch, 0);
  for (std::size_t b = 0; b < batch; ++b) sequence_[next_rank_[length_[b]]++] = b;
  while (!active_.empty() && active_.back() == 0) active_.pop_back();

  chunks_.clear();
  most_rows_ = 0;
  for (std::size_t step = 0; step < active_.size(); ++step) {
    if (chunks_.empty() || chunks_.back().rows + active_[step] > chunk_rows) chunks_.push_back({step, step, 0});
    chunks_.back().last = step + 1;
    chunks_.back().rows += active_[step];
    most_rows_ = std::max(most_rows_, chunks_.back().rows);
  }
}

}  // namespace saltus::kernels
