#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "core/check.h"
#include "run_folder.h"

namespace saltus::tests {
namespace {

/// A file system of its own in memory. Needs root (CAP_SYS_ADMIN).
class TinyDisk {
 public:
  explicit TinyDisk(const std::string& options) {
    mounted_ = ::mount("tmpfs", folder_.path().c_str(), "tmpfs", 0, options.c_str()) == 0;
    if (!mounted_) WARN("skipped: no tmpfs may be mounted here (" << std::strerror(errno) << ")");
  }
  ~TinyDisk() {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  TinyDisk(const TinyDisk&) = delete;
  TinyDisk& operator=(const TinyDisk&) = delete;
  explicit operator bool() const { return mounted_; }
  std::string operator/(const std::string& name) const { return folder_ / name; }

  void make_read_only() const { REQUIRE(::mount("", folder_.path().c_str(), "", MS_REMOUNT | MS_RDONLY, "") == 0); }

  /// Bytes free, after a ballast file has been resized to leave that many.
  void leave_free(std::uint64_t bytes) const {
    std::filesystem::remove(ballast());
    const std::uint64_t all = free_bytes();
    REQUIRE(all >= bytes);
    write_file(ballast(), std::string(all - bytes, 'x'));
    REQUIRE(free_bytes() == bytes);
  }
  void leave_all_free() const { std::filesystem::remove(ballast()); }
  std::uint64_t free_bytes() const {
    struct statvfs info;
    REQUIRE(::statvfs(folder_.path().c_str(), &info) == 0);
    return info.f_bavail * info.f_bsize;
  }

 private:
  std::string ballast() const { return folder_ / "ballast"; }
  TempFolder folder_;
  bool mounted_ = false;
};

/// What the process writes to standard error meanwhile.
class CapturedStderr {
 public:
  explicit CapturedStderr(const std::string& path) : path_(path), saved_(::dup(2)) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::dup2(file, 2);
    ::close(file);
  }
  ~CapturedStderr() { restore(); }
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;
  std::string text() {
    restore();
    return read_file(path_);
  }

 private:
  void restore() {
    if (saved_ < 0) return;
    ::dup2(saved_, 2);
    ::close(saved_);
    saved_ = -1;
  }
  std::string path_;
  int saved_;
};

/// The message of the Error that `action` throws; nothing when it throws none.
template <class Action>
std::optional<std::string> error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return std::nullopt;
}

}  // namespace

TEST_CASE("a disk that fills up at any point of a rewrite costs nothing but an error") {
  const TinyDisk disk("size=4m");
  if (!disk) return;
  RunFile run = RunFile::create(disk / "run", small_layout(), {});
  for (std::int64_t step = 0; step < 20'000; ++step) append_step(run, step);
  run.flush();
  const std::string path = disk / "run/run.h5";
  const std::string before = read_file(path);
  append_step(run, 20'000);

  const TempFolder elsewhere;
  CapturedStderr captured(elsewhere / "stderr");
  int failures = 0;
  std::optional<std::string> error = "";
  for (std::uint64_t room = 0; error && room < 2 * before.size(); room += 4096, ++failures) {
    disk.leave_free(room);
    error = error_of([&] { run.flush(); });
    if (!error) break;
    CAPTURE(room);
    REQUIRE_THAT(*error, Catch::Contains("cannot write " + path) && Catch::Contains("No space left on device"));
    REQUIRE(read_file(path) == before);
    REQUIRE_FALSE(std::filesystem::exists(disk / "run/.run.h5.tmp"));
    REQUIRE(disk.free_bytes() == room);  // the unfinished file is gone, and no handle still holds its blocks
  }
  CHECK(captured.text() == "");
  CHECK(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) ==
        0);  // HDF5 has nothing left to close at exit, where it would crash
  CHECK(failures > static_cast<int>(before.size() / 4096) / 2);
  CHECK_FALSE(error);  // with room enough the same run goes on
  CHECK(read_values(path, "/train/loss").size() == 20'001);
}

TEST_CASE("a disk that is full when a row is appended loses that row alone") {
  const TinyDisk disk("size=1m");
  if (!disk) return;
  RunFile run = RunFile::create(disk / "run", small_layout(), {});
  disk.leave_free(8192);
  std::int64_t step = 0;
  std::optional<std::string> error;
  while (!error && step < 10'000)
    error = error_of([&] { run.append("weights", step++, {std::vector<float>(256, 1.0f)}); });
  REQUIRE(error);
  CHECK_THAT(*error, Catch::Contains("cannot write " + (disk / "run/journal.bin")) &&
                         Catch::Contains("No space left on device"));

  disk.leave_all_free();
  const auto rows = static_cast<std::int64_t>(run.steps("weights").size());
  CHECK(rows == step - 1);
  run.append("weights", step, {std::vector<float>(256, 2.0f)});
  run.finish(RunStatus::done);
  const std::vector<double> steps = read_values(disk / "run/run.h5", "/weights/ckpt_step");
  REQUIRE(static_cast<std::int64_t>(steps.size()) == rows + 1);
  CHECK(steps.back() == static_cast<double>(step));
}

TEST_CASE("a run cannot begin on a full disk, and leaves nothing there that would keep it from beginning later") {
  const TinyDisk disk("size=1m");
  if (!disk) return;
  std::filesystem::create_directory(disk / "run");
  for (const std::uint64_t room : {0, 8192}) {
    disk.leave_free(room);
    const auto error = error_of([&] { RunFile::create(disk / "run", small_layout(), {}); });
    REQUIRE(error);
    CHECK_THAT(*error, Catch::Contains(disk / "run/") && Catch::Contains("No space left on device"));
    CHECK(std::filesystem::is_empty(disk / "run"));
  }
  disk.leave_all_free();
  CHECK_NOTHROW(RunFile::create(disk / "run", small_layout(), {}));
}

TEST_CASE("a folder that cannot be made or written is named") {
  const TempFolder folder;
  write_file(folder / "file", "");
  const auto under_a_file = error_of([&] { RunFile::create(folder / "file/run", small_layout(), {}); });
  REQUIRE(under_a_file);
  CHECK_THAT(*under_a_file, Catch::Contains(folder / "file/run") && Catch::Contains("Not a directory"));

  const TinyDisk disk("size=1m");
  if (!disk) return;
  std::filesystem::create_directory(disk / "run");
  disk.make_read_only();
  const auto read_only = error_of([&] { RunFile::create(disk / "run", small_layout(), {}); });
  REQUIRE(read_only);
  CHECK_THAT(*read_only, Catch::Contains(disk / "run/journal.bin") && Catch::Contains("Read-only file system"));
}

TEST_CASE("a folder deleted under the run is an error at the next flush") {
  const TempFolder folder;
  RunFile run = RunFile::create(folder / "run", small_layout(), {});
  std::filesystem::remove_all(folder / "run");
  append_step(run, 0);
  CHECK_THROWS_WITH(run.flush(), Catch::Contains((folder / "run/journal.bin") + " was deleted"));
}

TEST_CASE("a run.h5 whose folder is gone cannot be replaced, and HDF5 says so through the error alone") {
  const TempFolder folder;
  const TempFolder elsewhere;
  RunFile run = RunFile::create(folder / "run", small_layout(), {});
  std::filesystem::create_hard_link(folder / "run/journal.bin",
                                    folder / "kept");  // so that the journal still has a name
  std::filesystem::remove_all(folder / "run");
  CapturedStderr captured(elsewhere / "stderr");
  const auto error = error_of([&] { run.flush(); });
  CHECK(captured.text() == "");
  REQUIRE(error);
  CHECK_THAT(*error, Catch::Contains("cannot write " + (folder / "run/run.h5")) &&
                         Catch::Contains("No such file or directory"));
}

}  // namespace saltus::tests
