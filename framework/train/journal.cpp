#include "train/journal.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "core/check.h"

namespace saltus {
namespace {

static_assert(std::endian::native == std::endian::little, "the journal is written as memory lies");

constexpr std::string_view kMagic = "saltusJ1";
constexpr std::uint32_t kLayoutTable = std::numeric_limits<std::uint32_t>::max();

struct Header {
  std::uint32_t crc;
  std::uint32_t table;
  std::uint64_t length;
  std::int64_t step;
};
static_assert(sizeof(Header) == 24);

/// CRC-32 of a record's bytes from `table` on.
std::uint32_t record_crc(std::span<const std::byte> record) {
  const auto* bytes = reinterpret_cast<const Bytef*>(record.data());
  return static_cast<std::uint32_t>(::crc32_z(0, bytes + sizeof(Header::crc), record.size() - sizeof(Header::crc)));
}

/// Reads whole records from `offset` on, through a buffer that grows to the longest of them.
class RecordReader {
 public:
  RecordReader(const posix::Fd& fd, const std::string& path, std::uint64_t offset)
      : fd_(fd), path_(path), offset_(offset), end_(posix::file_size(fd, path)) {}

  /// Where the next record begins.
  std::uint64_t offset() const { return offset_; }

  /// The next record, or nothing when no whole, intact record follows.
  std::optional<JournalRecord> next() {
    const std::byte* at = take(sizeof(Header));
    if (at == nullptr) return std::nullopt;
    Header header;
    std::memcpy(&header, at, sizeof(Header));
    // The length of a damaged record can be anything: it must be believed only as far as the file goes.
    if (header.length > end_ - offset_ - sizeof(Header)) return std::nullopt;
    const std::size_t size = sizeof(Header) + header.length;
    at = take(size);
    if (at == nullptr || record_crc({at, size}) != header.crc) return std::nullopt;
    offset_ += size;
    return JournalRecord{header.table, header.step, {at + sizeof(Header), header.length}};
  }

 private:
  /// The next `n` bytes in one piece, without stepping over them.
  const std::byte* take(std::size_t n) {
    if (n > end_ - offset_) return nullptr;
    if (offset_ - buffer_offset_ + n > filled_) {
      constexpr std::size_t kBlock = 1 << 20;
      buffer_.resize(std::max({n, kBlock, buffer_.size()}));
      buffer_offset_ = offset_;
      filled_ = posix::read_at(fd_, buffer_, offset_, path_);
      if (filled_ < n) return nullptr;
    }
    return buffer_.data() + (offset_ - buffer_offset_);
  }

  const posix::Fd& fd_;
  const std::string& path_;
  std::uint64_t offset_, end_;
  std::vector<std::byte> buffer_;
  std::uint64_t buffer_offset_ = 0;
  std::size_t filled_ = 0;
};

}  // namespace

Journal Journal::create(const std::string& path, std::string_view layout) {
  Journal journal(path, posix::open("create", path, O_RDWR | O_CREAT | O_EXCL | O_APPEND));
  journal.lock();
  try {
    posix::write_all(journal.fd_, std::as_bytes(std::span(kMagic)), path);
    journal.size_ = kMagic.size();
    const std::span<const std::byte> text = std::as_bytes(std::span(layout));
    journal.append(kLayoutTable, 0, {&text, 1});
  } catch (const Error&) {
    journal.remove();
    throw;
  }
  journal.first_record_ = journal.size_;
  return journal;
}

Journal Journal::reopen(const std::string& path, std::string_view layout) {
  Journal journal(path, posix::open("open", path, O_RDWR | O_APPEND));
  journal.lock();

  std::string magic(kMagic.size(), '\0');
  posix::read_at(journal.fd_, std::as_writable_bytes(std::span(magic)), 0, path);
  check(magic == kMagic, "{} is not a saltus journal", path);

  RecordReader reader(journal.fd_, path, kMagic.size());
  const auto first = reader.next();
  check(first && first->table == kLayoutTable, "{} is damaged at its beginning: the run cannot go on from it", path);
  const std::string_view found(reinterpret_cast<const char*>(first->payload.data()), first->payload.size());
  check(found == layout,
        "{} was written by a run with other variables: it can go on only with the config it began with", path);
  journal.first_record_ = reader.offset();

  while (reader.next()) {
  }
  journal.torn_bytes_ = posix::file_size(journal.fd_, path) - reader.offset();
  journal.truncate(reader.offset());
  return journal;
}

bool Journal::is_open_elsewhere(const std::string& path) {
  const posix::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.get() >= 0 && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

void Journal::lock() {
  // Where a file system has no locks, the user must see to it that one process writes a run.
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    check(errno != EWOULDBLOCK, "{} is in use: another process is writing this run", path_);
  }
}

void Journal::truncate(std::uint64_t size) {
  if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) posix::fail("shorten", path_);
  size_ = size;
}

void Journal::append(std::uint32_t table, std::int64_t step, std::span<const std::span<const std::byte>> parts) {
  buffer_.resize(sizeof(Header));
  for (const auto& part : parts) buffer_.insert(buffer_.end(), part.begin(), part.end());
  Header header{.crc = 0, .table = table, .length = buffer_.size() - sizeof(Header), .step = step};
  std::memcpy(buffer_.data(), &header, sizeof(Header));
  header.crc = record_crc(buffer_);
  std::memcpy(buffer_.data(), &header.crc, sizeof(header.crc));
  try {
    posix::write_all(fd_, buffer_, path_);
  } catch (const Error&) {
    truncate(size_);
    throw;
  }
  size_ += buffer_.size();
}

void Journal::sync() {
  struct stat info;
  if (::fstat(fd_.get(), &info) != 0) posix::fail("look at", path_);
  check(info.st_nlink > 0, "{} was deleted while the run was writing it", path_);
  if (::fdatasync(fd_.get()) != 0) posix::fail("sync", path_);
}

void Journal::cut(std::int64_t step) {
  RecordReader reader(fd_, path_, first_record_);
  std::uint64_t keep = reader.offset();
  for (auto record = reader.next(); record && record->step < step; record = reader.next()) keep = reader.offset();
  truncate(keep);
}

void Journal::for_each(const std::function<void(const JournalRecord&)>& visit) const {
  RecordReader reader(fd_, path_, first_record_);
  while (reader.offset() < size_) {
    const auto record = reader.next();
    check(record.has_value(), "{} is damaged at byte {}", path_, reader.offset());
    visit(*record);
  }
}

void Journal::remove() {
  if (::unlink(path_.c_str()) != 0) posix::fail("remove", path_);
}

}  // namespace saltus
