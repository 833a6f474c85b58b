#pragma once
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "train/system.h"

namespace saltus {

/// What a run shows while it goes on: on a terminal one live line, redrawn in place; otherwise a plain line now and then.
///     step 27 400  loss 2.31  ic .21  iw .12  ▁▁▁▂▂▃▅  412 steps/s  ETA 1:19
class ProgressLine {
 public:
  /// `out` may be null: then nothing is shown. `headlines` are the measures to show; the sparkline follows the first.
  ProgressLine(std::FILE* out, std::int64_t first_step, std::int64_t total_steps, std::vector<Experiment::Headline> headlines);

  /// Their values at the latest evaluation, in their order.
  void set_values(const std::vector<double>& values);
  /// Shows the line if it is time: ten times a second on a terminal, every 10 seconds elsewhere.
  void update(std::int64_t step, double loss);
  /// Shows the last state and ends the line.
  void finish(std::int64_t step, double loss);
  /// Ends a live line, so that a message can be printed below it.
  void break_line();

 private:
  std::string text(std::int64_t step, double loss) const;
  void show(std::int64_t step, double loss);

  std::FILE* out_;
  bool live_;
  std::int64_t first_step_, total_steps_;
  std::vector<Experiment::Headline> headlines_;
  std::vector<double> values_;
  std::vector<double> history_;
  std::chrono::steady_clock::time_point start_, next_;
  bool line_open_ = false;
};

/// Bars for values from 0 to `top`, at most `width` of them: each shows the mean of its part of the series. Empty for an empty series.
std::string sparkline(const std::vector<double>& values, std::size_t width, double top = 1);

/// The value that a full bar stands for: 1 for an accuracy, otherwise the largest that there was.
double sparkline_top(const std::string& measure, const std::vector<double>& values);

}  // namespace saltus
