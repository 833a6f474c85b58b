#include "data/text/files.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <system_error>

#include "core/check.h"

namespace saltus {

namespace fs = std::filesystem;

std::string read_bytes(const fs::path& path) {
  std::error_code none;
  check_input(!fs::is_directory(path, none), "{}: error: is a folder, not a file", path.string());
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  check_input(file != nullptr, "{}: error: cannot be read: {}", path.string(), std::strerror(errno));
  std::string bytes;
  std::array<char, 1 << 16> chunk;
  std::size_t got = 0;
  while ((got = std::fread(chunk.data(), 1, chunk.size(), file.get())) > 0) bytes.append(chunk.data(), got);
  check_input(std::ferror(file.get()) == 0, "{}: error: cannot be read: {}", path.string(), std::strerror(errno));
  return bytes;
}

void write_whole(const fs::path& path, std::string_view bytes) {
  // The process in its name: two that fetch the same do not write into one file.
  const std::string beside = fmt::format("{}.{}.tmp", path.string(), ::getpid());
  std::FILE* file = std::fopen(beside.c_str(), "wb");
  check(file != nullptr, "cannot write {}: {}", beside, std::strerror(errno));
  bool written = std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size() && std::fflush(file) == 0;
  written = written && ::fsync(::fileno(file)) == 0;
  written = std::fclose(file) == 0 && written;
  if (written && std::rename(beside.c_str(), path.c_str()) == 0) return;
  const std::string why = std::strerror(errno);
  ::unlink(beside.c_str());
  throw Error(fmt::format("cannot write {}: {}", path.string(), why));
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  check(EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1, "SHA-256 failed");
  std::string hex;
  for (unsigned i = 0; i < length; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

std::string utc_now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "saltus-XXXXXX").string();
  check(::mkdtemp(name.data()) != nullptr, "cannot make a temporary folder {}: {}", name, std::strerror(errno));
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace saltus
