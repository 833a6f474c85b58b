#include "train/progress_line.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

namespace saltus {
namespace {

using Clock = std::chrono::steady_clock;

std::size_t terminal_columns(std::FILE* out) {
  winsize size{};
  return ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/// "1:02:03" or "4:05"
std::string duration(double seconds) {
  const auto s = static_cast<std::int64_t>(seconds + 0.5);
  if (s >= 3600) return fmt::format("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60);
  return fmt::format("{}:{:02}", s / 60, s % 60);
}

/// Digits in groups of three: "27 400"
std::string grouped(std::int64_t n) {
  std::string digits = fmt::format("{}", n);
  for (auto at = static_cast<std::int64_t>(digits.size()) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), " ");
  return digits;
}

}  // namespace

std::string sparkline(const std::vector<double>& values, std::size_t width, double top) {
  constexpr const char* bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::size_t n = std::min(width, values.size());
  std::string text;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t begin = i * values.size() / n, end = (i + 1) * values.size() / n;
    double sum = 0;
    for (std::size_t j = begin; j < end; ++j) sum += values[j];
    const double mean = sum / static_cast<double>(end - begin);
    text += bars[std::clamp(static_cast<int>(mean / top * 8), 0, 7)];
  }
  return text;
}

double sparkline_top(const std::string& measure, const std::vector<double>& values) {
  if (measure == "accuracy" || values.empty()) return 1;
  const double top = *std::max_element(values.begin(), values.end());
  return top > 0 ? top : 1;
}

ProgressLine::ProgressLine(std::FILE* out, std::int64_t first_step, std::int64_t total_steps, std::vector<Experiment::Headline> headlines)
    : out_(out), live_(out && isatty(fileno(out)) != 0), first_step_(first_step), total_steps_(total_steps), headlines_(std::move(headlines)),
      start_(Clock::now()), next_(start_) {}

void ProgressLine::set_values(const std::vector<double>& values) {
  values_ = values;
  if (!values.empty()) history_.push_back(values[0]);
}

std::string ProgressLine::text(std::int64_t step, double loss) const {
  std::string left = fmt::format("step {:>7}", grouped(step));
  if (step > 0) left += fmt::format("  loss {:.3f}", loss);
  for (std::size_t i = 0; i < values_.size(); ++i) left += fmt::format("  {} {:.{}f}", headlines_[i].label(), values_[i], headlines_[i].measure == "accuracy" ? 2 : 3);
  std::string right;
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (step > first_step_ && seconds > 0) {
    const double rate = static_cast<double>(step - first_step_) / seconds;
    right += fmt::format("  {:.0f} steps/s", rate);
    if (step < total_steps_) right += fmt::format("  ETA {}", duration(static_cast<double>(total_steps_ - step) / rate));
  }
  // The sparkline takes what room there is: a line that wraps could not be redrawn in place.
  const std::size_t used = left.size() + right.size() + 3, columns = live_ ? terminal_columns(out_) : 100;
  const std::size_t room = columns > used ? std::min<std::size_t>(columns - used, 24) : 0;
  const std::string spark = headlines_.empty() ? "" : sparkline(history_, room, sparkline_top(headlines_[0].measure, history_));
  const std::string line = left + (spark.empty() ? "" : "  ") + spark + right;
  return live_ && used > columns + 2 ? line.substr(0, columns - 1) : line;
}

void ProgressLine::show(std::int64_t step, double loss) {
  if (!out_) return;
  if (live_) {
    fmt::print(out_, "\r{}\x1b[K", text(step, loss));
    line_open_ = true;
  } else {
    fmt::print(out_, "{}\n", text(step, loss));
  }
  std::fflush(out_);
}

void ProgressLine::update(std::int64_t step, double loss) {
  const auto now = Clock::now();
  if (now < next_) return;
  next_ = now + (live_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000));
  show(step, loss);
}

void ProgressLine::finish(std::int64_t step, double loss) {
  show(step, loss);
  break_line();
}

void ProgressLine::break_line() {
  if (!out_) return;
  if (line_open_) fmt::print(out_, "\n");
  line_open_ = false;
  std::fflush(out_);
}

}  // namespace saltus
