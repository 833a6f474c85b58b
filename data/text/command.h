#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace saltus {

/// Runs a program and waits for its end. stderr is added to the file `log`, stdout too unless `out` names a file of its
/// own. Throws Error with the end of the log when it cannot be started or does not end with 0.
void run_command(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                 const std::filesystem::path& log, const std::filesystem::path& out = {});

/// "\nthe end of <log>:" and its last lines, or nothing when it is empty.
std::string log_end(const std::filesystem::path& log);

}  // namespace saltus
