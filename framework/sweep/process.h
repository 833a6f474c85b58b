#pragma once
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "train/posix.h"

namespace saltus {

/// While one lives, SIGINT, SIGTERM and SIGCHLD wait to be asked for instead of doing anything.
class SignalQueue {
 public:
  SignalQueue();
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  /// The next signal, or 0 when none comes in time.
  int wait(std::chrono::duration<double> timeout);

 private:
  sigset_t signals_, before_;
};

/// This program, started again with other arguments. Its stdout goes nowhere, and it is in a process group of its own,
/// so that a terminal's Ctrl-C reaches it only through this process.
class Child {
 public:
  /// `dies_with_parent`: the signal that it gets when this process ends, however that happens. `stderr_kept`: what it
  /// says on stderr is kept for error_tail() instead of being shown. Throws Error when it cannot be started.
  Child(std::vector<std::string> arguments, int dies_with_parent, bool stderr_kept);

  void signal(int number) const;
  /// Its exit code, 128 + n when signal n ended it, once it has ended; nothing while it runs.
  std::optional<int> ended();
  /// The end of what it said on stderr, where that is kept; or all of it.
  std::string error_tail() const;
  std::string all_errors() const;

 private:
  std::string errors_from(std::uint64_t offset, std::uint64_t size) const;

  pid_t pid_ = -1;
  posix::Fd stderr_;
  std::optional<int> code_;
};

}  // namespace saltus
