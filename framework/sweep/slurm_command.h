#pragma once
#include <string>
#include <vector>

namespace saltus::slurm {

/// What a command of Slurm's said.
struct CommandResult {
  int exit_code = 0;  // 127: there is no such program; 128 + n: ended by signal n
  std::string out, err;

  /// Its own words on what went wrong, in one line.
  std::string message() const;
};

/// Runs a program found on PATH, without a shell and with empty input, to its end. Throws Error only when the system
/// has no memory or no process left.
CommandResult run_command(const std::vector<std::string>& arguments);

/// Whether PATH has such a program.
bool command_exists(const std::string& name);

}  // namespace saltus::slurm
