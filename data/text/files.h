#pragma once
#include <filesystem>
#include <string>
#include <string_view>

/// The little that reading and caching texts needs of the system.
namespace saltus {

/// A file's bytes. Throws Error (bad_input) when it cannot be read.
std::string read_bytes(const std::filesystem::path& path);

/// Puts a new file at `path`, whole: written beside it and renamed over it. After a crash, and when this throws, the
/// old file or none is there.
void write_whole(const std::filesystem::path& path, std::string_view bytes);

/// SHA-256 in hex.
std::string sha256_hex(std::string_view bytes);

/// Now, in UTC and ISO 8601.
std::string utc_now_text();

/// A new empty folder in the system's place for temporary files, which is removed with everything in it when this goes.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace saltus
