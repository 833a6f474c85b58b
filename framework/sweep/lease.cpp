#include "sweep/lease.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <tuple>

#include "core/check.h"

namespace saltus {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "unknown";
}

/// Where process ids can be compared: one boot of one machine, one process namespace. Two containers may share a host's
/// name, not this.
std::string this_realm() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  std::array<char, 64> name{};
  const ssize_t n = ::readlink("/proc/self/ns/pid", name.data(), name.size());
  return boot.empty() || n <= 0
             ? fmt::format("unknown-{}", ::getpid())
             : fmt::format("{}/{}", boot, std::string_view(name.data(), static_cast<std::size_t>(n)));
}

/// When a process started, in clock ticks since the boot: with the id, a name that no later process gets. 0 when there
/// is none, or only a zombie.
unsigned long long start_time(long pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text);
  const std::size_t name_end = text.rfind(')');  // the program's name may hold blanks and brackets
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return 0;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  unsigned long long start = 0;
  fields >> start;
  return start;
}

struct Holder {
  std::string host;
  long pid = 0;
  unsigned long long start = 0;
  std::string realm;
  double seconds = 60;  // until the file of a holder that has not written itself down yet is stale
};

double seconds_of(const struct timespec& t) {
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// The time as the file system of this folder tells it; where nothing can be written there, this machine's.
double file_system_now(const std::string& folder) {
  const std::string probe = fmt::format("{}/.now-{}-{}", folder, host_name(), ::getpid());
  const posix::Fd file(::open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  struct stat info {};
  const bool told = file.get() >= 0 && ::futimens(file.get(), nullptr) == 0 && ::fstat(file.get(), &info) == 0;
  ::unlink(probe.c_str());
  return told ? seconds_of(info.st_mtim) : static_cast<double>(std::time(nullptr));
}

/// A lease file at one moment. It stays open meanwhile, so that its inode number names it.
struct Seen {
  posix::Fd file;
  dev_t device = 0;
  ino_t inode = 0;
  Holder holder;
  bool live = false;
};

std::optional<Seen> look(const std::string& path) {
  Seen seen;
  seen.file = posix::Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (seen.file.get() < 0) return std::nullopt;
  struct stat info {};
  if (::fstat(seen.file.get(), &info) != 0) return std::nullopt;
  seen.device = info.st_dev;
  seen.inode = info.st_ino;
  std::array<std::byte, 1024> bytes{};
  const std::size_t n = posix::read_at(seen.file, bytes, 0, path);
  Holder& h = seen.holder;
  std::istringstream(std::string(reinterpret_cast<const char*>(bytes.data()), n)) >> h.host >> h.pid >> h.start >>
      h.realm >> h.seconds;
  if (h.realm == this_realm()) {
    seen.live = start_time(h.pid) == h.start;
  } else {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    seen.live = file_system_now(folder) - seconds_of(info.st_mtim) <= h.seconds;
  }
  return seen;
}

/// Lets one process at a time take over or give back leases of a folder, where the file system knows such locks.
class Turn {
 public:
  explicit Turn(const std::string& lease_path)
      : file_(::open((std::filesystem::path(lease_path).parent_path() / ".turn").c_str(), O_RDWR | O_CREAT | O_CLOEXEC,
                     0666)) {
    if (file_.get() >= 0) std::ignore = ::flock(file_.get(), LOCK_EX);
  }

 private:
  posix::Fd file_;  // closing it ends the lock
};

/// Moves the stale lease out of the way. A rename has one winner; should the winner find that it moved another lease
/// than the one that was stale (no locks, and somebody was faster), it puts that back.
bool remove_stale(const std::string& path, const Seen& stale) {
  static int count = 0;
  const std::string aside = fmt::format("{}.stale-{}-{}-{}", path, host_name(), ::getpid(), count++);
  if (::rename(path.c_str(), aside.c_str()) != 0) return false;
  struct stat info {};
  const bool right_one = ::stat(aside.c_str(), &info) == 0 && info.st_dev == stale.device && info.st_ino == stale.inode;
  if (!right_one) std::ignore = ::link(aside.c_str(), path.c_str());
  ::unlink(aside.c_str());
  return right_one;
}

}  // namespace

std::optional<Lease> Lease::create(const std::string& path, double seconds) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0 && errno == EEXIST) return std::nullopt;
  if (fd < 0) posix::fail("write", path);
  Lease lease(path, posix::Fd(fd));
  const std::string text =
      fmt::format("{} {} {} {} {}\n", host_name(), ::getpid(), start_time(::getpid()), this_realm(), seconds);
  posix::write_all(lease.file_, std::as_bytes(std::span(text)), path);
  return lease;
}

std::optional<Lease> Lease::acquire(const std::string& path, double seconds) {
  if (std::optional<Lease> lease = create(path, seconds)) return lease;
  if (const std::optional<Seen> seen = look(path); seen && seen->live) return std::nullopt;
  const Turn turn(path);
  const std::optional<Seen> seen = look(path);  // again: what was stale may have a new holder by now
  if (seen && (seen->live || !remove_stale(path, *seen))) return std::nullopt;
  return create(path, seconds);
}

bool Lease::is_mine() const {
  struct stat at_path {
  }, mine{};
  return ::stat(path_.c_str(), &at_path) == 0 && ::fstat(file_.get(), &mine) == 0 && at_path.st_dev == mine.st_dev &&
         at_path.st_ino == mine.st_ino;
}

bool Lease::renew() { return ::futimens(file_.get(), nullptr) == 0 && is_mine(); }

Lease::~Lease() {
  if (file_.get() < 0) return;  // moved from
  const Turn turn(path_);
  if (is_mine()) ::unlink(path_.c_str());
}

std::optional<std::string> live_holder(const std::string& path) {
  const std::optional<Seen> seen = look(path);
  if (!seen || !seen->live) return std::nullopt;
  return fmt::format("{} {}", seen->holder.host, seen->holder.pid);
}

std::string this_worker() { return fmt::format("{} {}", host_name(), ::getpid()); }

}  // namespace saltus
