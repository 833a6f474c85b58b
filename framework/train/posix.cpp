#include "train/posix.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "core/check.h"

namespace saltus::posix {

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

void fail(const char* what, const std::string& path) {
  throw Error(fmt::format("cannot {} {}: {}", what, path, std::generic_category().message(errno)));
}

Fd open(const char* what, const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  if (fd < 0) fail(what, path);
  return Fd(fd);
}

std::uint64_t file_size(const Fd& fd, const std::string& path) {
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) fail("look at", path);
  return static_cast<std::uint64_t>(info.st_size);
}

void write_all(const Fd& fd, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("write", path);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

std::size_t read_at(const Fd& fd, std::span<std::byte> bytes, std::uint64_t offset, const std::string& path) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::pread(fd.get(), bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail("read", path);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

void sync_path(const std::string& path) {
  const Fd fd = open("sync", path, O_RDONLY);
  // Some network file systems cannot sync a folder and say EINVAL; there is nothing more to do there.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) fail("sync", path);
}

void rename_durably(const std::string& from, const std::string& to, const std::string& folder) {
  if (std::rename(from.c_str(), to.c_str()) != 0) fail("rename the new file to", to);
  sync_path(folder);
}

void replace_file(const std::string& path, std::initializer_list<std::span<const std::byte>> parts) {
  const std::string temporary = path + ".tmp", folder = std::filesystem::path(path).parent_path().string();
  try {
    {
      const Fd file = open("write", temporary, O_WRONLY | O_CREAT | O_TRUNC);
      for (const auto part : parts) write_all(file, part, temporary);
    }
    sync_path(temporary);
    rename_durably(temporary, path, folder.empty() ? "." : folder);
  } catch (const Error&) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace saltus::posix
