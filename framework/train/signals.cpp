#include "train/signals.h"

namespace saltus {
namespace {

// A signal handler can reach nothing but globals; this one is written by it alone.
volatile std::sig_atomic_t signal_received = 0;

void remember(int signal) { signal_received = signal; }

}  // namespace

StopSignals::StopSignals() {
  signal_received = 0;
  struct sigaction action {};
  action.sa_handler = remember;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

StopSignals::~StopSignals() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
}

int StopSignals::received() { return signal_received; }

}  // namespace saltus
