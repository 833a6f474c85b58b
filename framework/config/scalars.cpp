#include "config/scalars.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "core/check.h"

namespace saltus {
namespace {

using Kind = ConfigNode::Kind;

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A decimal number taken apart: sign, digits before and after the point, power of ten.
struct Decimal {
  bool negative = false;
  std::string_view whole, fraction;
  int exponent = 0;
};

std::string_view take_digits(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text[0]) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Decimal> decimal(std::string_view text) {
  Decimal number;
  number.negative = text.starts_with('-');
  take(text, "+-");
  number.whole = take_digits(text);
  if (take(text, ".")) number.fraction = take_digits(text);
  if (number.whole.empty() && number.fraction.empty()) return std::nullopt;
  if (take(text, "eE")) {
    const bool small = text.starts_with('-');
    take(text, "+-");
    const std::string_view digits = take_digits(text);
    if (digits.empty() || digits.size() > 6) return std::nullopt;
    std::from_chars(digits.data(), digits.data() + digits.size(), number.exponent);
    if (small) number.exponent = -number.exponent;
  }
  return text.empty() ? std::optional(number) : std::nullopt;
}

bool has_leading_zero(const Decimal& number) { return number.whole.size() > 1 && number.whole[0] == '0'; }

[[noreturn]] void fail_type(const char* expected, const ConfigNode& node, const std::string& hint) {
  throw std::invalid_argument(
      fmt::format("expected {}, got {}{}", expected, shown(node), hint.empty() ? "" : " (" + hint + ")"));
}

/// What someone may have meant who wrote a text where a number belongs.
std::string number_hint(const ConfigNode& node) {
  if (node.kind != Kind::scalar) return "";
  std::string without;
  std::ranges::copy_if(node.text, std::back_inserter(without), [](char c) { return c != '_' && c != ','; });
  const auto plain = decimal(without);
  if (!plain) return "";
  if (node.in_quotes) return "leave out the quotes";
  if (has_leading_zero(*plain)) return "leave out the leading zeros";
  return without == node.text ? "" : fmt::format("write {}", without);
}

std::optional<Decimal> plain_decimal(const ConfigNode& node) {
  if (node.kind != Kind::scalar || node.in_quotes) return std::nullopt;
  const auto number = decimal(node.text);
  return number && !has_leading_zero(*number) ? number : std::nullopt;
}

std::string double_text(double x) {
  check(std::isfinite(x), "config: the number {} cannot be written", x);
  std::string text = fmt::format("{}", x);
  // YAML 1.1 readers such as PyYAML take 1e-05 for a text and 1.0e-05 for a number.
  const std::size_t e = text.find('e');
  if (e != std::string::npos && text.find('.') == std::string::npos) text.insert(e, ".0");
  return text;
}

/// Words that some YAML reader takes for a boolean, a null or a number.
bool is_special_word(std::string_view text) {
  static constexpr std::string_view words[] = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"};
  return std::ranges::find(words, lower_case(text)) != std::end(words);
}

/// A text that means itself without quotes: it starts like a name or a path and goes on so.
bool is_plain(std::string_view text) {
  const auto letter = [](unsigned char c) { return std::isalpha(c) || c == '_' || c == '/'; };
  const auto inner = [&](unsigned char c) {
    return letter(c) || is_digit(static_cast<char>(c)) || c == '.' || c == '-';
  };
  return !text.empty() && letter(static_cast<unsigned char>(text[0])) && std::ranges::all_of(text, inner) &&
         !is_special_word(text);
}

std::string string_text(std::string_view text) {
  if (is_plain(text)) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      quoted += {'\\', c};
    else if (c == '\n')
      quoted += "\\n";
    else if (c == '\t')
      quoted += "\\t";
    else if (byte < 0x20 || byte == 0x7F)
      quoted += fmt::format("\\x{:02X}", byte);
    else
      quoted += c;
  }
  return quoted + '"';
}

struct YamlText {
  std::string operator()(const bool* x) const { return *x ? "true" : "false"; }
  std::string operator()(const std::int64_t* x) const { return std::to_string(*x); }
  std::string operator()(const double* x) const { return double_text(*x); }
  std::string operator()(const std::string* x) const { return string_text(*x); }
  template <class T>
  std::string operator()(const std::optional<T>* x) const {
    return x->has_value() ? (*this)(&**x) : "null";
  }
  template <class T>
  std::string operator()(const std::vector<T>* x) const {
    std::string text;
    for (const T& item : *x) text.append(text.empty() ? "" : ", ").append((*this)(&item));
    return "[" + text + "]";
  }
};

}  // namespace

bool is_null_word(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

std::string shown(const ConfigNode& node) {
  if (node.kind == Kind::null) return "null";
  if (node.kind == Kind::list) return "a list";
  if (node.kind == Kind::mapping) return "a mapping";
  if (plain_decimal(node)) return "number " + node.text;
  if (!node.in_quotes && (node.text == "true" || node.text == "false")) return node.text;
  return fmt::format("text '{}'", node.text);
}

std::int64_t integer_of(const ConfigNode& node) {
  const auto number = plain_decimal(node);
  if (!number) fail_type("an integer", node, number_hint(node));
  // In decimal digits, so that nothing is rounded: the exponent moves the point, and only zeros may stay behind it.
  std::string digits = std::string(number->whole) + std::string(number->fraction);
  const auto point = static_cast<long>(number->whole.size()) + number->exponent;
  const bool with_exponent = node.text.find_first_of("eE") != std::string::npos;
  const auto behind = static_cast<std::size_t>(std::clamp<long>(point, 0, static_cast<long>(digits.size())));
  const bool whole =
      std::all_of(digits.begin() + static_cast<long>(behind), digits.end(), [](char c) { return c == '0'; });
  if (!whole || (!with_exponent && node.text.find('.') != std::string::npos)) fail_type("an integer", node, "");
  digits.resize(behind);
  const bool zero = std::ranges::all_of(digits, [](char c) { return c == '0'; });
  if (!zero && point > 20) fail_type("an integer", node, "it does not fit 64 bits");
  digits.resize(zero ? 1 : static_cast<std::size_t>(point), '0');
  std::int64_t value = 0;
  if (number->negative) digits.insert(digits.begin(), '-');
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{}) fail_type("an integer", node, "it does not fit 64 bits");
  return value;
}

double number_of(const ConfigNode& node) {
  if (!plain_decimal(node)) fail_type("a number", node, number_hint(node));
  const std::string_view text = std::string_view(node.text).substr(node.text.starts_with('+') ? 1 : 0);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) fail_type("a number", node, "it does not fit 64 bits");
  return value;
}

bool boolean_of(const ConfigNode& node) {
  const bool plain = node.kind == Kind::scalar && !node.in_quotes;
  if (plain && node.text == "true") return true;
  if (plain && node.text == "false") return false;
  const std::string word = node.kind == Kind::scalar ? lower_case(node.text) : "";
  const bool yes = word == "true" || word == "yes" || word == "on" || word == "1";
  const bool no = word == "false" || word == "no" || word == "off" || word == "0";
  fail_type("true or false", node, yes ? "write true" : no ? "write false" : "");
}

std::string text_of(const ConfigNode& node) {
  if (node.kind == Kind::null) fail_type("a text", node, "an empty text is written '', the word null 'null'");
  if (node.kind != Kind::scalar) fail_type("a text", node, "");
  return node.text;
}

std::string yaml_text(const Slot& value) { return std::visit(YamlText{}, value); }

}  // namespace saltus
