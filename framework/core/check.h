#pragma once
#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace saltus {

/// What the process exits with. Documented for users in README.md; scripts rely on the numbers.
enum class ExitCode { ok = 0, failed = 1, bad_input = 2, diverged = 3, interrupted = 75 };

/// The one error type. `what()` is the whole message for the user: no prefix is added, no stack is shown.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitCode code = ExitCode::failed) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// Throws Error with a formatted message unless `ok`. For everything a caller can get wrong; never in a hot loop. Arguments are formatted
/// when it throws only, so give what is to be shown, not a text of it.
template <class... Args>
void check(bool ok, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) throw Error(fmt::format(format, std::forward<Args>(args)...));
}

/// As check(), for what the user typed: the process exits with code 2.
template <class... Args>
void check_input(bool ok, fmt::format_string<Args...> format, Args&&... args) {
  if (!ok) throw Error(fmt::format(format, std::forward<Args>(args)...), ExitCode::bad_input);
}

}  // namespace saltus
