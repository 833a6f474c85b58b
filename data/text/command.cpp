#include "data/text/command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <fstream>

#include "config/words.h"
#include "core/check.h"

namespace saltus {
namespace {

constexpr std::size_t kLinesShown = 12;

/// The redirections of a child, which must be destroyed after use.
class Redirections {
 public:
  Redirections(const std::string& folder, const std::string& log, const std::string& out) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (out.empty()) {
      ::posix_spawn_file_actions_adddup2(&actions_, STDERR_FILENO, STDOUT_FILENO);
    } else {
      ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    }
    ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
  }
  ~Redirections() { ::posix_spawn_file_actions_destroy(&actions_); }
  Redirections(const Redirections&) = delete;
  Redirections& operator=(const Redirections&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

}  // namespace

void run_command(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
                 const std::filesystem::path& log, const std::filesystem::path& out) {
  std::vector<std::string> words = arguments;
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  const Redirections redirections(folder.string(), log.string(), out.string());
  pid_t pid = -1;
  const int error = ::posix_spawnp(&pid, pointers[0], redirections.get(), nullptr, pointers.data(), environ);
  check(error == 0, "cannot start {}: {}", words[0], std::strerror(error));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    check(errno == EINTR, "cannot wait for {}: {}", words[0], std::strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  const std::string how =
      WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status)) : fmt::format("signal {}", WTERMSIG(status));
  throw Error(fmt::format("{} failed with {}{}", join(arguments, " "), how, log_end(log)));
}

std::string log_end(const std::filesystem::path& log) {
  std::ifstream file(log);
  std::deque<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
    if (lines.size() > kLinesShown) lines.pop_front();
  }
  std::string text = lines.empty() ? "" : fmt::format("\nthe end of {}:", log.string());
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

}  // namespace saltus
