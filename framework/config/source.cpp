#include "config/source.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <tuple>

#include "core/check.h"

namespace saltus {
namespace {

constexpr std::size_t max_file_bytes = std::size_t{16} << 20;

std::string_view line_of(const Source& source, int line) {
  std::string_view rest = source.text;
  for (int i = 1; i < line; ++i) {
    const std::size_t end = rest.find('\n');
    rest = end == std::string_view::npos ? std::string_view{} : rest.substr(end + 1);
  }
  return rest.substr(0, rest.find('\n'));
}

bool starts_character(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

/// The blanks that bring a caret under `before`'s end: tabs stay tabs, and a character of several bytes is one column
/// wide.
std::string blanks_as_wide_as(std::string_view before) {
  std::string blanks;
  for (const char byte : before) {
    if (starts_character(byte)) blanks += byte == '\t' ? '\t' : ' ';
  }
  return blanks;
}

/// Bytes in the UTF-8 character at the front of `bytes`, 0 if it is not one.
std::size_t character_length(std::string_view bytes) {
  const auto lead = static_cast<unsigned char>(bytes[0]);
  if (lead < 0x80) return lead >= 0x20 || lead == '\t' || lead == '\n' || lead == '\r' ? 1 : 0;
  const std::size_t length = lead >= 0xF0 && lead <= 0xF4 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  if (length == 0 || lead > 0xF4 || bytes.size() < length) return 0;
  const bool continued =
      std::none_of(bytes.begin() + 1, bytes.begin() + static_cast<std::ptrdiff_t>(length), starts_character);
  return continued ? length : 0;
}

[[noreturn]] void fail_unreadable(const std::string& path, const Place* asked_at, const std::string& why) {
  if (asked_at) fail_at(*asked_at, fmt::format("inherit: '{}': {}", path, why));
  throw Error(fmt::format("{}: error: {}", path, why), ExitCode::bad_input);
}

void refuse_tabs_in_indentation(const std::shared_ptr<const Source>& source) {
  std::string_view rest = source->text;
  for (int line = 1; !rest.empty(); ++line) {
    const std::string_view text = rest.substr(0, rest.find('\n'));
    const std::string_view indentation = text.substr(0, text.find_first_not_of(" \t"));
    const std::size_t tab = indentation.find('\t');
    if (tab != std::string_view::npos && indentation.size() < text.size()) {
      fail_at({source, line, static_cast<int>(tab) + 1}, "a tab in the indentation: YAML allows only spaces there");
    }
    rest.remove_prefix(std::min(rest.size(), text.size() + 1));
  }
}

}  // namespace

bool operator<(const Place& a, const Place& b) {
  return std::tuple(a.source->order, a.line, a.column) < std::tuple(b.source->order, b.line, b.column);
}

void fail_at(const Place& place, std::string_view message) {
  const Source& source = *place.source;
  if (source.is_override) throw Error(fmt::format("{}: {}", source.name, message), ExitCode::bad_input);
  if (place.line == 0) throw Error(fmt::format("{}: error: {}", source.name, message), ExitCode::bad_input);
  const std::string_view line = line_of(source, place.line);
  const std::string_view before = line.substr(0, static_cast<std::size_t>(place.column - 1));
  const std::string number = std::to_string(place.line);
  throw Error(fmt::format("{}:{}:{}: error: {}\n  {} | {}\n  {:{}} | {}^", source.name, place.line, place.column,
                          message, number, line, "", number.size(), blanks_as_wide_as(before)),
              ExitCode::bad_input);
}

std::string read_text(const std::string& path, const Place* asked_at) {
  std::error_code none;
  const std::filesystem::file_status status = std::filesystem::status(path, none);
  if (!std::filesystem::exists(status)) fail_unreadable(path, asked_at, "no such file");
  if (std::filesystem::is_directory(status)) fail_unreadable(path, asked_at, "is a folder, not a file");
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (!file) fail_unreadable(path, asked_at, fmt::format("cannot be read: {}", std::strerror(errno)));
  std::string bytes;
  char chunk[4096];
  std::size_t got = 0;
  while ((got = std::fread(chunk, 1, sizeof chunk, file.get())) > 0) {
    bytes.append(chunk, got);
    if (bytes.size() > max_file_bytes) fail_unreadable(path, asked_at, "larger than 16 MiB: is this a config?");
  }
  if (std::ferror(file.get())) fail_unreadable(path, asked_at, fmt::format("cannot be read: {}", std::strerror(errno)));
  return bytes;
}

bool is_text(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = character_length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::shared_ptr<const Source> file_source(std::string name, std::string_view bytes, int order) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  check_input(is_text(bytes), "{}: error: not a text file in UTF-8", name);
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const bool before_newline = i + 1 < bytes.size() && bytes[i + 1] == '\n';
    if (bytes[i] != '\r')
      text += bytes[i];
    else if (!before_newline)
      text += '\n';
  }
  auto source =
      std::make_shared<const Source>(Source{.name = std::move(name), .text = std::move(text), .order = order});
  refuse_tabs_in_indentation(source);
  return source;
}

}  // namespace saltus
