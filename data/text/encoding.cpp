#include "data/text/encoding.h"

#include <algorithm>

#include "core/check.h"
#include "data/text/assemble.h"
#include "data/text/utf8.h"

namespace saltus {

void check_no_zero_bytes(const std::string& path, std::string_view bytes) {
  const bool marked = bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
  const std::size_t at = bytes.find('\0');
  if (!marked && at == std::string_view::npos) return;
  // Every other byte of what is mostly Latin letters is 0 in UTF-16.
  const std::string_view start = bytes.substr(0, 1000);
  const auto zeros = static_cast<std::size_t>(std::ranges::count(start, '\0'));
  if (marked || zeros > start.size() / 4)
    fail_in(path, 1, "looks like UTF-16: convert it with iconv -f utf-16 -t utf8");
  const std::string_view before = bytes.substr(0, at);
  fail_in(path, 1 + std::ranges::count(before, '\n'),
          fmt::format("byte {} of this line is 0, which no text has", at - (before.rfind('\n') + 1) + 1));
}

void check_utf8(const std::string& place, std::string_view what, std::string_view bytes) {
  const std::size_t at = first_invalid_utf8(bytes);
  if (at == std::string_view::npos) return;
  throw Error(
      fmt::format("{}: error: the {} is not UTF-8: byte {} of it is 0x{:02x}; if the file is Latin-1, convert it "
                  "with iconv -f latin1 -t utf8",
                  place, what, at + 1, static_cast<unsigned char>(bytes[at])),
      ExitCode::bad_input);
}

std::string_view without_byte_order_mark(std::string_view bytes) {
  return bytes.starts_with("\xEF\xBB\xBF") ? bytes.substr(3) : bytes;
}

}  // namespace saltus
