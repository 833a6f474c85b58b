#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

namespace saltus::r {

/// The few forms of R's serialisation that tests need, written from its description: XDR, big-endian words.
inline std::string word(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}
inline std::string text(const std::string& bytes) {
  return word(0x40009) + word(static_cast<std::uint32_t>(bytes.size())) + bytes;
}
inline std::string na_text() { return word(9) + word(0xFFFFFFFF); }
inline std::string symbol(const std::string& name) { return word(1) + text(name); }
/// A symbol that came before, numbered from 1.
inline std::string known_symbol(std::uint32_t number) { return word(number << 8 | 255); }
inline std::string nil() { return word(254); }

struct Attribute {
  std::string symbol, value;
};
inline std::string attributes(const std::vector<Attribute>& all) {
  std::string bytes;
  for (const Attribute& a : all) bytes += word(0x402) + a.symbol + a.value;
  return all.empty() ? "" : bytes + nil();
}
inline std::string vector(std::uint32_t type, const std::vector<std::string>& elements,
                          const std::vector<Attribute>& attributes_ = {}) {
  std::string bytes =
      word(type | (attributes_.empty() ? 0 : 0x200)) + word(static_cast<std::uint32_t>(elements.size()));
  for (const std::string& element : elements) bytes += element;
  return bytes + attributes(attributes_);
}
inline std::string integers(const std::vector<std::int32_t>& values, const std::vector<Attribute>& a = {}) {
  std::vector<std::string> words;
  for (const std::int32_t value : values) words.push_back(word(static_cast<std::uint32_t>(value)));
  return vector(13, words, a);
}
inline std::string numbers(const std::vector<double>& values) {
  std::vector<std::string> words;
  for (const double value : values) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    words.push_back(word(static_cast<std::uint32_t>(bits >> 32)) + word(static_cast<std::uint32_t>(bits)));
  }
  return vector(14, words);
}
inline std::string strings(const std::vector<std::string>& values) {
  std::vector<std::string> texts;
  for (const std::string& value : values) texts.push_back(text(value));
  return vector(16, texts);
}
inline std::string list(const std::vector<std::string>& items, const std::vector<Attribute>& a = {}) {
  return vector(19, items, a);
}

/// A whole object in version 3, which says its encoding, or 2.
inline std::string object(const std::string& value, std::uint32_t version = 3) {
  return "X\n" + word(version) + word(0x40202) + word(0x30500) + (version == 3 ? word(5) + "UTF-8" : "") + value;
}

/// A data frame of two columns, `review` and the factor `score` with the levels great and other (1 and 2).
inline std::string reviews(const std::vector<std::string>& texts, const std::vector<std::int32_t>& scores) {
  const std::string score =
      integers(scores, {{symbol("levels"), strings({"great", "other"})}, {symbol("class"), strings({"factor"})}});
  return list({strings(texts), score},
              {{symbol("names"), strings({"review", "score"})}, {known_symbol(2), strings({"data.frame"})}});
}

}  // namespace saltus::r
