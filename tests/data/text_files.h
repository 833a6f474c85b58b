#pragma once
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/check.h"
#include "data/text/files.h"

namespace saltus {

/// A folder of its own for a test, in which the cache of texts also is.
class TextFolder {
 public:
  TextFolder() { ::setenv("SALTUS_CACHE", path("cache").c_str(), 1); }
  ~TextFolder() { ::unsetenv("SALTUS_CACHE"); }

  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

 private:
  TemporaryFolder folder_;
};

/// What is thrown as an Error, without the name of the folder in it; "" when nothing is.
template <class Function>
std::string error_of(const TextFolder& folder, const Function& function, ExitCode code = ExitCode::bad_input) {
  try {
    function();
  } catch (const Error& e) {
    CHECK(e.code() == code);
    std::string message = e.what();
    const std::string prefix = folder.path("");
    for (std::size_t at = 0; (at = message.find(prefix)) != std::string::npos;) message.erase(at, prefix.size());
    return message;
  }
  return "";
}

}  // namespace saltus
