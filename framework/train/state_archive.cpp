#include "train/state_archive.h"

#include <fcntl.h>
#include <zlib.h>

#include <array>
#include <cstdint>
#include <filesystem>

#include "train/posix.h"

namespace saltus {
namespace {

// The file: magic, CRC-32 of the body, body. The body: for each block its name's length, its size, its name and its bytes.
constexpr std::array<char, 8> magic = {'s', 'a', 'l', 't', 'u', 's', 'S', '1'};
constexpr std::size_t header_bytes = magic.size() + sizeof(std::uint32_t);

void put(std::vector<std::byte>& out, std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void put_size(std::vector<std::byte>& out, std::uint64_t n) { put(out, std::as_bytes(std::span(&n, 1))); }

std::uint32_t crc(std::span<const std::byte> bytes) {
  return static_cast<std::uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

/// Reads from a body that its CRC has vouched for.
struct Cursor {
  std::span<const std::byte> left;
  std::span<const std::byte> take(std::size_t n) {
    check(n <= left.size(), "a block ends behind the file");
    const auto head = left.first(n);
    left = left.subspan(n);
    return head;
  }
  std::uint64_t size() {
    std::uint64_t n = 0;
    std::memcpy(&n, take(sizeof n).data(), sizeof n);
    return n;
  }
};

}  // namespace

const std::vector<std::byte>& StateArchive::find(std::string_view name) const {
  const auto found = parts_.find(name);
  check(found != parts_.end(), "the saved state has no '{}'", name);
  return found->second;
}

void StateArchive::write(const std::string& path) const {
  std::vector<std::byte> body;
  for (const auto& [name, bytes] : parts_) {
    put_size(body, name.size());
    put_size(body, bytes.size());
    put(body, std::as_bytes(std::span(name)));
    put(body, bytes);
  }
  const std::uint32_t sum = crc(body);
  posix::replace_file(path, {std::as_bytes(std::span(magic)), std::as_bytes(std::span(&sum, 1)), body});
}

std::optional<StateArchive> StateArchive::read(const std::string& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const posix::Fd file = posix::open("read", path, O_RDONLY);
  std::vector<std::byte> bytes(posix::file_size(file, path));
  bytes.resize(posix::read_at(file, bytes, 0, path));
  check(bytes.size() >= header_bytes && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0, "{} is no saved state", path);
  std::uint32_t sum = 0;
  std::memcpy(&sum, bytes.data() + magic.size(), sizeof sum);
  const std::span<const std::byte> body = std::span(bytes).subspan(header_bytes);
  check(crc(body) == sum, "{} is damaged: its checksum is wrong", path);
  StateArchive archive;
  for (Cursor cursor{body}; !cursor.left.empty();) {
    const std::uint64_t name_bytes = cursor.size(), part_bytes = cursor.size();
    const auto name = cursor.take(name_bytes);
    const auto part = cursor.take(part_bytes);
    archive.parts_.emplace(std::string(reinterpret_cast<const char*>(name.data()), name.size()), std::vector<std::byte>(part.begin(), part.end()));
  }
  return archive;
}

}  // namespace saltus
