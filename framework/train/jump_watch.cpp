#include "train/jump_watch.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "train/posix.h"

namespace saltus {

std::optional<Jump> JumpWatch::observe(std::int64_t step, double value) {
  steps_.push_back(static_cast<double>(step));
  values_.push_back(value);
  const std::optional<Jump> jump = find_jump(steps_, values_, {.min_size = config_.min_size});
  if (!jump) return std::nullopt;
  const auto behind = std::lower_bound(steps_.begin(), steps_.end(), jump->step_90) - steps_.begin();
  steps_.erase(steps_.begin(), steps_.begin() + behind);
  values_.erase(values_.begin(), values_.begin() + behind);
  return jump;
}

void JumpWatch::save(StateArchive& state) const {
  state.set("jump.steps", std::span<const double>(steps_));
  state.set("jump.values", std::span<const double>(values_));
}

void JumpWatch::restore(const StateArchive& state) {
  steps_ = state.get_all<double>("jump.steps");
  values_ = state.get_all<double>("jump.values");
}

RecentSnapshots::RecentSnapshots(const std::string& run_folder, std::int64_t capacity) : folder_(run_folder + "/recent"), capacity_(capacity) {}

std::string RecentSnapshots::path(std::int64_t step) const { return fmt::format("{}/{:011}.bin", folder_, step); }

void RecentSnapshots::keep(std::int64_t step, std::span<const float> parameters) {
  if (capacity_ == 0) return;
  std::error_code error;
  std::filesystem::create_directory(folder_, error);
  const std::string file = path(step);
  posix::write_all(posix::open("write", file, O_WRONLY | O_CREAT | O_TRUNC), std::as_bytes(parameters), file);
  steps_.push_back(step);
  if (static_cast<std::int64_t>(steps_.size()) > capacity_) steps_.erase(steps_.begin());
}

bool RecentSnapshots::load(std::int64_t step, std::span<float> parameters) const {
  const std::string file = path(step);
  return posix::read_at(posix::open("read", file, O_RDONLY), std::as_writable_bytes(parameters), 0, file) == parameters.size_bytes();
}

void RecentSnapshots::prune() const {
  std::error_code ignored;  // a file that stays costs room, nothing else
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored)) {
    const bool known = std::any_of(steps_.begin(), steps_.end(), [&](std::int64_t s) { return entry.path() == path(s); });
    if (!known) std::filesystem::remove(entry.path(), ignored);
  }
}

void RecentSnapshots::save(StateArchive& state) const { state.set("recent.steps", std::span<const std::int64_t>(steps_)); }

void RecentSnapshots::restore(const StateArchive& state) { steps_ = state.get_all<std::int64_t>("recent.steps"); }

}  // namespace saltus
