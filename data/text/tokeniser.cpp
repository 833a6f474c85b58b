#include "data/text/tokeniser.h"

#include <cstdint>

namespace saltus {
namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
};

constexpr Character none{0xFFFD, 1};  // the replacement character, which is no letter

/// The character at `at`, which is inside the text. Lenient: what continues wrongly is `none`.
Character character_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < bytes) return none;
  std::uint32_t code = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) return none;
    code = code << 6 | (byte(i) & 0x3FU);
  }
  const bool overlong = code < (bytes == 4 ? 0x10000U : bytes == 3 ? 0x800U : 0x80U);
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return overlong || surrogate || code > 0x10FFFF ? none : Character{code, bytes};
}

bool is_ascii_letter(std::uint32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_word_part(std::uint32_t c) {
  if (c < 0x80) return is_ascii_letter(c) || (c >= '0' && c <= '9');
  if (c < 0x100) return (c >= 0xC0 && c != 0xD7 && c != 0xF7) || c == 0xAA || c == 0xB5 || c == 0xBA;
  return !(c >= 0x2000 && c <= 0x23FF) && !(c >= 0x3000 && c <= 0x303F) && !(c >= 0xFFF0 && c <= 0xFFFF);
}

bool is_apostrophe(std::uint32_t c) { return c == '\'' || c == 0x2019; }

/// Bytes of the markup that begins at `at`, 0 if none does.
std::size_t markup_length(std::string_view text, std::size_t at) {
  if (text[at] != '<') return 0;
  std::size_t name = at + 1;
  if (name < text.size() && text[name] == '/') ++name;
  if (name >= text.size() || !is_ascii_letter(static_cast<unsigned char>(text[name]))) return 0;
  const std::size_t end = text.find_first_of("<>", name);
  return end != std::string_view::npos && text[end] == '>' ? end + 1 - at : 0;
}

/// Capitals of ASCII and Latin-1 lie 32 below their small letters, and both take as many bytes in UTF-8.
void append_lower(std::string& word, std::string_view text, std::size_t at, const Character& c) {
  const bool capital = (c.code >= 'A' && c.code <= 'Z') || (c.code >= 0xC0 && c.code <= 0xDE && c.code != 0xD7);
  word.append(text.substr(at, c.bytes));
  if (capital) word.back() = static_cast<char>(word.back() + 32);
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (std::size_t at = 0; at < text.size();) {
    const Character c = character_at(text, at);
    const std::size_t next = at + c.bytes, markup = markup_length(text, at);
    if (is_word_part(c.code)) {
      append_lower(word, text, at, c);
    } else if (is_apostrophe(c.code) && !word.empty() && next < text.size() &&
               is_word_part(character_at(text, next).code)) {
      word += '\'';
    } else {
      end_word();
      if (c.code == '!' || c.code == '?') words.emplace_back(1, static_cast<char>(c.code));
    }
    at = markup > 0 ? at + markup : next;
  }
  end_word();
  return words;
}

}  // namespace saltus
