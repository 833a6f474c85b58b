#include "sweep/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>

#include "config/scalars.h"

namespace saltus {
namespace {

using Kind = ConfigNode::Kind;

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t comma = text.find(',');
    parts.push_back(trimmed(text.substr(0, comma)));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

bool is_integer_text(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_call(std::string_view text, std::string_view name) {
  return text.starts_with(name) && text.substr(name.size()).starts_with('(');
}

std::optional<std::pair<std::string_view, std::string_view>> span_ends(std::string_view text) {
  const std::size_t dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const std::string_view first = text.substr(0, dots), last = text.substr(dots + 2);
  if (!is_integer_text(first) || !is_integer_text(last)) return std::nullopt;
  return std::pair{first, last};
}

std::string number_text(double x) { return fmt::format("{:.12g}", x == 0 ? 0.0 : x); }

/// One expression of a sweep while its values are worked out.
class Expression {
 public:
  explicit Expression(const ConfigNode& node) : node_(node), text_(trimmed(node.text)) {}

  std::vector<ConfigNode> values() const {
    if (is_call(text_, "range")) return range(arguments("range"));
    if (is_call(text_, "log")) return log(arguments("log"));
    if (const auto ends = span_ends(text_)) return integers(integer(ends->first), 1, integer(ends->second) + 1);
    std::vector<ConfigNode> values;
    for (const std::string_view part : parts_of(text_)) {
      if (part.empty()) fail("a value is missing between two commas");
      values.push_back(scalar(std::string(part)));
    }
    return values;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    fail_at(node_.place, fmt::format("'{}': {}", text_, message));
  }

  ConfigNode scalar(const std::string& text) const {
    return {is_null_word(text) ? Kind::null : Kind::scalar, node_.place, text};
  }

  template <class F>
  auto checked(const F& value_of, std::string_view text) const {
    try {
      return value_of(scalar(std::string(text)));
    } catch (const std::invalid_argument& e) {
      fail(e.what());
    }
  }
  std::int64_t integer(std::string_view text) const {
    const std::int64_t value = checked(integer_of, text);
    // Far from where sums of a few such numbers would overflow.
    if (std::abs(static_cast<double>(value)) > 1e17) fail("numbers this large cannot be counted through");
    return value;
  }
  double number(std::string_view text) const { return checked(number_of, text); }

  std::vector<std::string_view> arguments(std::string_view name) const {
    if (!text_.ends_with(')')) fail("the ')' is missing");
    return parts_of(text_.substr(name.size() + 1, text_.size() - name.size() - 2));
  }

  void check_count(double count) const {
    if (count < 1) fail("stands for no value at all");
    if (count > static_cast<double>(kMostJobs)) fail(fmt::format("stands for more than {} values", kMostJobs));
  }

  std::vector<ConfigNode> integers(std::int64_t begin, std::int64_t step, std::int64_t end) const {
    const double count = std::ceil(static_cast<double>(end - begin) / static_cast<double>(step));
    check_count(count);
    std::vector<ConfigNode> values;
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(count); ++i)
      values.push_back(scalar(std::to_string(begin + i * step)));
    return values;
  }

  std::vector<ConfigNode> range(const std::vector<std::string_view>& arguments) const {
    if (arguments.size() != 2 && arguments.size() != 3) fail("write range(a,b) or range(a,b,step)");
    const std::string_view step_text = arguments.size() == 3 ? arguments[2] : "1";
    const double begin = number(arguments[0]), end = number(arguments[1]), step = number(step_text);
    if (step == 0) fail("the step must not be 0");
    if (is_integer_text(arguments[0]) && is_integer_text(arguments[1]) && is_integer_text(step_text)) {
      return integers(integer(arguments[0]), integer(step_text), integer(arguments[1]));
    }
    // 0.3 / 0.1 is a hair below 3: what lies within rounding of a whole number of steps is meant to be one.
    const double count = std::ceil((end - begin) / step - 1e-9);
    check_count(count);
    std::vector<ConfigNode> values;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
      values.push_back(scalar(number_text(begin + static_cast<double>(i) * step)));
    }
    return values;
  }

  std::vector<ConfigNode> log(const std::vector<std::string_view>& arguments) const {
    if (arguments.size() != 3) fail("write log(a,b,n)");
    const double first = number(arguments[0]), last = number(arguments[1]);
    const std::int64_t n = integer(arguments[2]);
    if (!(first > 0) || !(last > 0)) fail("both ends must be > 0");
    if (n < 2) fail("n must be at least 2: both ends are among the values");
    check_count(static_cast<double>(n));
    std::vector<ConfigNode> values;
    for (std::int64_t i = 0; i < n; ++i) {
      const double at = static_cast<double>(i) / static_cast<double>(n - 1);
      values.push_back(scalar(number_text(std::exp((1 - at) * std::log(first) + at * std::log(last)))));
    }
    return values;
  }

  const ConfigNode& node_;
  std::string_view text_;
};

}  // namespace

bool is_values_text(std::string_view text) {
  text = trimmed(text);
  return is_call(text, "range") || is_call(text, "log") || span_ends(text) || text.find(',') != std::string_view::npos;
}

std::vector<ConfigNode> swept_values(const ConfigNode& node) {
  std::vector<ConfigNode> values;
  if (node.kind == Kind::list) {
    values = node.items;
  } else if (node.kind == Kind::scalar && !node.in_quotes && is_values_text(node.text)) {
    values = Expression(node).values();
  } else {
    values = {node};
  }
  if (values.empty()) fail_at(node.place, "this list of values is empty");
  for (const ConfigNode& value : values) {
    if (value.kind == Kind::mapping)
      fail_at(value.place,
              "a swept value is a number, a text, a list or null; keys that move together go below 'zip:'");
  }
  return values;
}

}  // namespace saltus
