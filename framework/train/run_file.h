#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/attributes.h"
#include "train/journal.h"
#include "train/layout.h"

namespace saltus {

/// The layout's version, root attribute `schema_version` of every run.h5; docs/run_file.md describes it.
inline constexpr std::int64_t kRunFileVersion = 1;

/// How a run ended: root attribute `status`, which is "running" before.
enum class RunStatus { done, diverged, failed, interrupted };

/// One entry of a variable: a view of a number or an array, for the length of a call.
class Values {
 public:
  Values(const float& value) : Values(ValueType::f32, &value, 1) {}
  Values(const double& value) : Values(ValueType::f64, &value, 1) {}
  Values(const std::int32_t& value) : Values(ValueType::i32, &value, 1) {}
  Values(std::span<const float> values) : Values(ValueType::f32, values.data(), values.size()) {}
  Values(std::span<const double> values) : Values(ValueType::f64, values.data(), values.size()) {}
  Values(std::span<const std::int32_t> values) : Values(ValueType::i32, values.data(), values.size()) {}
  template <class T>
  Values(const std::vector<T>& values) : Values(std::span<const T>(values)) {}

  ValueType type() const { return type_; }
  std::size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(data_), size_ * size_of(type_)}; }

 private:
  Values(ValueType type, const void* data, std::size_t size) : type_(type), data_(data), size_(size) {}
  ValueType type_;
  const void* data_;
  std::size_t size_;
};

/// What a run writes: `run.h5` for readers, complete at every moment, and beside it, until the run is over,
/// `journal.bin`, where every row goes first. What run.h5 holds is a function of the layout, the attributes and the
/// rows, never of when it was written.
///
///     RunFile run = RunFile::create(folder, layout, attributes);
///     for (...) {
///       run.append("train", step, {loss, lr, grad_norm});
///       run.maybe_flush(seconds_since_start);
///     }
///     run.finish(RunStatus::done);
///
/// Every failure (disk full, folder not writable or deleted, wrong row) throws Error with the path; the last good
/// run.h5 stays.
class RunFile {
 public:
  /// Throws, as bad input, when a run is in `folder` already.
  static void check_absent(const std::string& folder);

  /// Removes the run in `folder`, if there is one. Throws, as bad input, when a process is writing it.
  static void remove(const std::string& folder);

  /// Starts a run in `folder`, made if missing. Throws, as bad input, when a run is there already. `flush_seconds`: how
  /// many seconds of rows a power cut may cost; a killed process loses none.
  static RunFile create(const std::string& folder, Layout layout, const Attributes& attributes,
                        double flush_seconds = 5);

  /// Goes on with a run that ended before it was done, from its journal: a torn tail is cut off, then everything that
  /// was appended from the first row with step >= `step` on. Throws when the journal is missing or has another layout.
  /// The attributes replace the old ones.
  static RunFile resume(const std::string& folder, Layout layout, const Attributes& attributes, std::int64_t step,
                        double flush_seconds = 5);

  /// Adds a row to the table of this group: one entry for each variable, in the declared order, of its type and size.
  /// Within a table steps increase strictly.
  void append(std::string_view group, std::int64_t step, std::span<const Values> row);
  void append(std::string_view group, std::int64_t step, std::initializer_list<Values> row) {
    append(group, step, std::span<const Values>(row.begin(), row.size()));
  }

  /// Sets a root attribute, from the next rewrite on.
  void set_attribute(const std::string& name, AttributeValue value);

  /// To be called often, with the seconds since any fixed moment. Syncs the journal every flush_seconds and rewrites
  /// run.h5 when rewrite_pause() has passed since the last time. Returns whether it rewrote.
  bool maybe_flush(double now);

  /// Syncs the journal and rewrites run.h5 now.
  void flush();

  /// Writes the last run.h5, with the status. The journal is then removed when the run is over (done or diverged) and
  /// kept when the run may go on (failed or interrupted). Nothing may be called afterwards.
  void finish(RunStatus status);

  const std::string& folder() const { return folder_; }
  /// Makes all rows so far survive a power cut.
  void sync() { journal_.sync(); }

  /// The steps of a table's rows so far, sorted.
  const std::vector<std::int64_t>& steps(std::string_view group) const { return steps_[table_index(group)]; }

 private:
  RunFile(const std::string& folder, Layout layout, const Attributes& attributes, Journal journal,
          double flush_seconds);
  std::uint32_t table_index(std::string_view group) const;
  void check_row(const Table& table, std::span<const Values> row) const;
  void rewrite();

  std::string folder_;
  Layout layout_;
  Attributes attributes_;
  double flush_seconds_;
  Journal journal_;
  std::vector<std::vector<std::int64_t>> steps_;  // of each table's rows, sorted
  double next_sync_ = 0, next_rewrite_ = 0;
};

/// Seconds to wait before run.h5 is rewritten again, after a rewrite that took `duration`. A rewrite costs time in
/// proportion to all that the run has recorded, so a fixed period would in the end do nothing else; this keeps it below
/// 2% of the time.
double rewrite_pause(double flush_seconds, double duration);

}  // namespace saltus
