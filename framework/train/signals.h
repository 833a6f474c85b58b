#pragma once
#include <csignal>

namespace saltus {

/// While one lives, SIGINT and SIGTERM ask for a stop instead of ending the process: the trainer finishes its step and saves. A second
/// signal of the same kind ends the process at once.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The signal that asked for a stop, or 0.
  static int received();

 private:
  struct sigaction old_int_ {}, old_term_ {};
};

}  // namespace saltus
