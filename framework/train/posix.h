#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>

/// The few system calls behind a run's files. Every failure throws Error as "cannot <what> <path>: <the system's
/// words>".
namespace saltus::posix {

/// A file descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

/// Throws Error for the present errno.
[[noreturn]] void fail(const char* what, const std::string& path);

/// open(2); `what` is the verb of the message.
Fd open(const char* what, const std::string& path, int flags);

std::uint64_t file_size(const Fd& fd, const std::string& path);

/// Writes all of `bytes` at the file's end or current position.
void write_all(const Fd& fd, std::span<const std::byte> bytes, const std::string& path);

/// Reads up to bytes.size() bytes from `offset`; fewer only at the file's end.
std::size_t read_at(const Fd& fd, std::span<std::byte> bytes, std::uint64_t offset, const std::string& path);

/// Makes a file's bytes, or a folder's entries (a rename, a removal), survive a power cut.
void sync_path(const std::string& path);

/// rename(2) within `folder`, then sync_path(folder).
void rename_durably(const std::string& from, const std::string& to, const std::string& folder);

/// Puts a new file at `path`: written beside it under another name, synced and renamed over it. After any crash, and when this throws,
/// the old file or none is there, never a part.
void replace_file(const std::string& path, std::initializer_list<std::span<const std::byte>> parts);

}  // namespace saltus::posix
