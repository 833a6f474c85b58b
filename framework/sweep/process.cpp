#include "sweep/process.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace saltus {
namespace {

constexpr const char* this_program = "/proc/self/exe";
constexpr std::size_t tail_bytes = 2000;

/// What happens between fork and exec. Only what is allowed after a fork is called here.
[[noreturn]] void become(char* const* arguments, int dies_with_parent, pid_t parent, int error_fd) {
  for (const int number : {SIGINT, SIGTERM, SIGCHLD}) ::signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, dies_with_parent);
  if (::getppid() != parent) ::_exit(127);  // it ended before the line above
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, STDIN_FILENO);
  ::dup2(null, STDOUT_FILENO);
  if (error_fd >= 0) ::dup2(error_fd, STDERR_FILENO);
  ::execv(this_program, arguments);
  ::_exit(127);
}

}  // namespace

SignalQueue::SignalQueue() {
  sigemptyset(&signals_);
  for (const int number : {SIGINT, SIGTERM, SIGCHLD}) sigaddset(&signals_, number);
  ::sigprocmask(SIG_BLOCK, &signals_, &before_);
}

SignalQueue::~SignalQueue() { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

int SignalQueue::wait(std::chrono::duration<double> timeout) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(timeout).count();
  const struct timespec limit { ns / 1'000'000'000, ns % 1'000'000'000 };
  const int number = ::sigtimedwait(&signals_, nullptr, &limit);
  return number > 0 ? number : 0;
}

Child::Child(std::vector<std::string> arguments, int dies_with_parent, bool stderr_kept) {
  if (stderr_kept) {
    stderr_ = posix::Fd(::memfd_create("stderr", MFD_CLOEXEC));
    if (stderr_.get() < 0) posix::fail("make room for the messages of", arguments[0]);
  }
  arguments.insert(arguments.begin(), "saltus");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) posix::fail("start", this_program);
  if (pid_ == 0) become(pointers.data(), dies_with_parent, parent, stderr_.get());
}

void Child::signal(int number) const {
  if (!code_) ::kill(pid_, number);
}

std::optional<int> Child::ended() {
  int status = 0;
  if (!code_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

std::string Child::errors_from(std::uint64_t offset, std::uint64_t size) const {
  std::string text(size - offset, '\0');
  posix::read_at(stderr_, std::as_writable_bytes(std::span(text)), offset, "stderr");
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

std::string Child::error_tail() const {
  const std::uint64_t size = posix::file_size(stderr_, "stderr");
  return errors_from(size - std::min<std::uint64_t>(size, tail_bytes), size);
}

std::string Child::all_errors() const { return errors_from(0, posix::file_size(stderr_, "stderr")); }

}  // namespace saltus
