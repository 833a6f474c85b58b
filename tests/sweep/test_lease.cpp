#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <ctime>
#include <random>
#include <sstream>

#include "sweep/lease.h"
#include "sweep_folder.h"

namespace saltus {
namespace {

constexpr double long_time = 1000;

/// Runs `body` in a process of its own, which ends without giving anything back, as a killed one does.
template <class F>
pid_t killed_after(const F& body) {
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    body();
    ::_exit(0);
  }
  return pid;
}

void wait_for(pid_t pid) {
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  REQUIRE(status == 0);
}

void age(const std::string& path, double seconds) {
  const std::time_t then = std::time(nullptr) - static_cast<std::time_t>(seconds);
  const struct timespec times[2] = {{then, 0}, {then, 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}

std::string text_of(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

/// Numbers that processes share.
struct Shared {
  std::atomic<int> ready{0}, tried{0}, winners{0}, inside{0}, overlaps{0}, entries{0};
};

class SharedMemory {
 public:
  SharedMemory()
      : shared_(new (::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
                    Shared) {}
  ~SharedMemory() { ::munmap(shared_, sizeof(Shared)); }
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  Shared* operator->() const { return shared_; }

 private:
  Shared* shared_;
};

}  // namespace

TEST_CASE("a lease is one process's, until it gives it back") {
  const TempFolder folder;
  const std::string path = folder / "job";
  {
    const std::optional<Lease> lease = Lease::acquire(path, long_time);
    REQUIRE(lease);
    CHECK_FALSE(Lease::acquire(path, long_time));
    CHECK(live_holder(path) == this_worker());
  }
  CHECK_FALSE(std::filesystem::exists(path));
  CHECK_FALSE(live_holder(path));
  CHECK(Lease::acquire(path, long_time));
}

TEST_CASE("a lease of a process that is gone is taken over at once, were it only a zombie") {
  const TempFolder folder;
  const std::string path = folder / "job";
  const pid_t pid = killed_after([&] { new std::optional<Lease>(Lease::acquire(path, long_time)); });
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) ==
          0);  // ended, but still in the process table
  REQUIRE(std::filesystem::exists(path));
  CHECK_FALSE(live_holder(path));
  {
    const std::optional<Lease> lease = Lease::acquire(path, long_time);
    CHECK(lease);
    CHECK(live_holder(path) == this_worker());
  }
  wait_for(pid);
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a process that got a dead one's number does not keep its lease alive") {
  const TempFolder folder;
  const std::string path = folder / "job";
  std::string text;
  {
    const std::optional<Lease> lease = Lease::acquire(path, long_time);
    text = text_of(path);
  }
  std::istringstream fields(text);
  std::string host, pid, start, rest;
  fields >> host >> pid >> start;
  std::getline(fields, rest);
  folder.write("job", host + " " + pid + " " + start + rest);
  CHECK(live_holder(path));  // the file as this process would write it
  folder.write("job", host + " " + pid + " " + std::to_string(std::stoll(start) - 1) + rest);
  CHECK_FALSE(live_holder(path));
}

TEST_CASE("a lease of another host lives as long as it is renewed") {
  const TempFolder folder;
  const std::string path = folder.write("job", "elsewhere 1 1 another-boot/pid:[1] 60\n");
  age(path, 50);
  CHECK(live_holder(path) == "elsewhere 1");
  CHECK_FALSE(Lease::acquire(path, 1));  // how long is for its holder to say
  age(path, 70);
  CHECK_FALSE(live_holder(path));
  CHECK(Lease::acquire(path, 1));
}

TEST_CASE("a holder is not taken for dead while its process runs, however late it renews") {
  const TempFolder folder;
  const std::string path = folder / "job";
  std::optional<Lease> lease = Lease::acquire(path, 1);
  age(path, 100);  // as after the lid of a laptop was closed
  CHECK(live_holder(path));
  CHECK_FALSE(Lease::acquire(path, 1));
  CHECK(lease->renew());
  struct stat info {};
  REQUIRE(::stat(path.c_str(), &info) == 0);
  CHECK(std::time(nullptr) - info.st_mtim.tv_sec <= 2);
}

TEST_CASE("a lease that another host took over is lost, and stays the other's") {
  const TempFolder folder;
  const std::string path = folder / "job";
  {
    std::optional<Lease> lease = Lease::acquire(path, 1);
    CHECK(lease->renew());
    std::filesystem::remove(path);
    folder.write("job", "elsewhere 1 1 another-boot/pid:[1] 60\n");
    CHECK_FALSE(lease->renew());
  }
  CHECK(live_holder(path) == "elsewhere 1");
}

TEST_CASE("of many processes that find a stale lease, one gets it") {
  const TempFolder folder;
  const std::string path = folder / "job";
  constexpr int processes = 8, rounds = 25;
  for (int round = 0; round < rounds; ++round) {
    const SharedMemory shared;
    folder.write("job", "elsewhere 1 1 another-boot/pid:[1] 60\n");
    age(path, 100);
    std::array<pid_t, processes> all{};
    for (pid_t& pid : all) {
      pid = killed_after([&] {
        ++shared->ready;
        while (shared->ready < processes) ::sched_yield();
        const std::optional<Lease> lease = Lease::acquire(path, long_time);
        if (lease) ++shared->winners;
        ++shared->tried;
        while (shared->tried < processes) ::sched_yield();
      });
    }
    for (const pid_t pid : all) wait_for(pid);
    REQUIRE(shared->winners == 1);
  }
}

TEST_CASE("holders that come, go and die never overlap") {
  const TempFolder folder;
  const std::string path = folder / "job";
  const SharedMemory shared;
  constexpr int processes = 6, rounds = 60;
  std::array<pid_t, processes> all{};
  for (int i = 0; i < processes; ++i) {
    all[static_cast<std::size_t>(i)] = killed_after([&] {
      std::mt19937 choose(static_cast<unsigned>(i));
      for (int round = 0; round < rounds; ++round) {
        const bool dies = choose() % 2 == 0;
        const pid_t holder = ::fork();
        if (holder == 0) {
          std::optional<Lease> lease = Lease::acquire(path, long_time);
          if (lease) {
            ++shared->entries;
            if (shared->inside++ != 0) ++shared->overlaps;
            ::usleep(static_cast<unsigned>(choose() % 300));
            --shared->inside;
            if (!dies) lease.reset();
          }
          ::_exit(0);
        }
        ::waitpid(holder, nullptr, 0);
      }
    });
  }
  for (const pid_t pid : all) wait_for(pid);
  CHECK(shared->overlaps == 0);
  CHECK(shared->entries > processes * rounds / 10);
}

}  // namespace saltus
