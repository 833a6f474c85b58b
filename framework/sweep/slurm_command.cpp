#include "sweep/slurm_command.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>
#include <sstream>

#include "core/check.h"
#include "train/posix.h"

extern char** environ;

namespace saltus::slurm {
namespace {

/// A file in memory for a program to write to: unlike a pipe, it needs nobody to read meanwhile.
posix::Fd memory_file(const char* name) {
  posix::Fd file(::memfd_create(name, MFD_CLOEXEC));
  if (file.get() < 0) posix::fail("make room for the output of", name);
  return file;
}

std::string text_of(const posix::Fd& file, const std::string& name) {
  std::string text(posix::file_size(file, name), '\0');
  posix::read_at(file, std::as_writable_bytes(std::span(text)), 0, name);
  return text;
}

}  // namespace

std::string CommandResult::message() const {
  std::string line;
  std::istringstream lines(err.empty() ? out : err);
  for (std::string part; std::getline(lines, part);) {
    if (!part.empty()) line += (line.empty() ? "" : "; ") + part;
  }
  return line.empty() ? fmt::format("exit code {}", exit_code) : line;
}

CommandResult run_command(const std::vector<std::string>& arguments) {
  const std::string& name = arguments.front();
  const posix::Fd out = memory_file("stdout"), err = memory_file("stderr");
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, err.get(), STDERR_FILENO);
  pid_t child = 0;
  errno = ::posix_spawnp(&child, name.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (errno == ENOENT || errno == EACCES) return {127, "", name + " not found"};
  if (errno != 0) posix::fail("run", name);

  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) posix::fail("wait for", name);
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), text_of(out, name), text_of(err, name)};
}

bool command_exists(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path ? path : "");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace saltus::slurm
