#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/posix.h"

namespace saltus {

/// One row of one table, as the journal holds it.
struct JournalRecord {
  std::uint32_t table;
  std::int64_t step;
  std::span<const std::byte> payload;  // valid during the visit only
};

/// A run's rows in the order they were appended: the source of truth while the run lasts, of which run.h5 is a
/// rendering.
///
/// The file is a magic word, a record that holds the layout as text, and records: a 24-byte header (CRC-32 of all that
/// follows it, table, payload length, step; little-endian) and the payload. A row is handed to the operating system
/// when it is appended, so a killed process loses none; sync() makes the rows so far survive a power cut. What a crash
/// may leave is a torn tail: the first record whose CRC is wrong, and everything behind it.
class Journal {
 public:
  /// Starts a journal. Throws when `path` exists. `layout` names the tables' meaning: only the same text can reopen the
  /// journal.
  static Journal create(const std::string& path, std::string_view layout);

  /// Opens a journal to go on with it, and cuts its torn tail off. Throws when it is missing, no journal, of another
  /// layout, or held open by another process.
  static Journal reopen(const std::string& path, std::string_view layout);

  /// Whether a process, this one included, has the journal at `path` open.
  static bool is_open_elsewhere(const std::string& path);

  /// Adds one record. When it cannot be written whole (disk full), throws and leaves the journal as it was.
  void append(std::uint32_t table, std::int64_t step, std::span<const std::span<const std::byte>> parts);

  /// fdatasync(2). Throws when the file has been deleted meanwhile: what is written then is lost at exit.
  void sync();

  /// Takes the journal back to the moment before the first record with step >= `step`. A run that goes on from that
  /// step appends the same records again, also those of earlier steps that were appended late (snapshots kept until a
  /// jump was seen).
  void cut(std::int64_t step);

  /// Calls `visit` with every record in order. Memory: one block of 1 MiB, or the longest record.
  void for_each(const std::function<void(const JournalRecord&)>& visit) const;

  /// Removes the file.
  void remove();

  const std::string& path() const { return path_; }
  /// Bytes of whole records, header of the file included.
  std::uint64_t size() const { return size_; }
  /// Bytes of torn tail that reopen() cut off.
  std::uint64_t torn_bytes() const { return torn_bytes_; }

 private:
  Journal(std::string path, posix::Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  void lock();
  void truncate(std::uint64_t size);

  std::string path_;
  posix::Fd fd_;
  std::uint64_t size_ = 0;
  std::uint64_t first_record_ = 0;  // where the layout record ends
  std::uint64_t torn_bytes_ = 0;
  std::vector<std::byte> buffer_;  // of the record being appended
};

}  // namespace saltus
