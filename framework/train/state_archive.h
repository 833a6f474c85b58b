#pragma once
#include <cstddef>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "core/check.h"

namespace saltus {

/// Named blocks of bytes in one file that is replaced as a whole: what a run needs, besides its config, to go on as if it had never
/// stopped.
class StateArchive {
 public:
  template <class T>
  void set(std::string_view name, std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto bytes = std::as_bytes(values);
    parts_.insert_or_assign(std::string(name), std::vector<std::byte>(bytes.begin(), bytes.end()));
  }
  void set(std::string_view name, const std::string& text) { set(name, std::span<const char>(text)); }

  /// Fills `values`; throws when there is no such block or it has another size.
  template <class T>
  void get(std::string_view name, std::span<T> values) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const std::vector<std::byte>& part = find(name);
    check(part.size() == values.size_bytes(), "the saved state's '{}' has {} bytes instead of {}", name, part.size(), values.size_bytes());
    if (!part.empty()) std::memcpy(values.data(), part.data(), part.size());
  }
  /// A block of whatever length.
  template <class T>
  std::vector<T> get_all(std::string_view name) const {
    const std::vector<std::byte>& part = find(name);
    std::vector<T> values(part.size() / sizeof(T));
    get(name, std::span<T>(values));
    return values;
  }
  std::string text(std::string_view name) const {
    const std::vector<char> chars = get_all<char>(name);
    return {chars.begin(), chars.end()};
  }

  /// Writes the archive to a temporary file beside `path`, syncs it and renames it over `path`: after any crash the old one or the new
  /// one is there, whole. Throws when it cannot; the old one then stays.
  void write(const std::string& path) const;
  /// The archive at `path`; nothing when there is no file. Throws when the file is not one, or is damaged.
  static std::optional<StateArchive> read(const std::string& path);

 private:
  const std::vector<std::byte>& find(std::string_view name) const;

  std::map<std::string, std::vector<std::byte>, std::less<>> parts_;
};

}  // namespace saltus
