#pragma once
#include <optional>
#include <string>

#include "train/posix.h"

namespace saltus {

/// The right to work on one job, held by at most one process at a time: a file that holds "host pid starttime realm
/// seconds" and whose modification time is renewed while its holder lives.
///
/// A lease is stale, and goes to whoever takes it over first, when its holder is known to be gone: on the same machine
/// (realm: its boot and its process namespace) when no such process runs, elsewhere when the file has not been renewed
/// for `seconds`. Time is the file system's, so that clocks of several hosts may differ.
class Lease {
 public:
  /// Nothing when another process holds it. Throws Error when the folder cannot be written.
  static std::optional<Lease> acquire(const std::string& path, double seconds);

  Lease(Lease&& other) noexcept = default;
  Lease& operator=(Lease&&) = delete;
  /// Gives it back, unless it was lost.
  ~Lease();

  /// To be called every quarter of `seconds`. False when it was lost: somebody else, who took this process for dead,
  /// has it now.
  bool renew();

 private:
  Lease(std::string path, posix::Fd file) : path_(std::move(path)), file_(std::move(file)) {}
  bool is_mine() const;
  static std::optional<Lease> create(const std::string& path, double seconds);

  std::string path_;
  posix::Fd file_;  // open, so that no other file can get its inode number
};

/// "host 4711", the holder of a lease that is not stale; nothing when there is none.
std::optional<std::string> live_holder(const std::string& path);

/// "host 4711": this process, as leases and records name it.
std::string this_worker();

}  // namespace saltus
