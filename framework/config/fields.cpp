#include "config/fields.h"

#include <fmt/core.h>

#include <cmath>

#include "config/words.h"

namespace saltus {
namespace {

struct TypeName {
  const char* operator()(const bool*) const { return "true or false"; }
  const char* operator()(const std::int64_t*) const { return "integer"; }
  const char* operator()(const double*) const { return "number"; }
  const char* operator()(const std::string*) const { return "text"; }
  const char* operator()(const std::vector<std::int64_t>*) const { return "list of integers"; }
  const char* operator()(const std::vector<double>*) const { return "list of numbers"; }
  const char* operator()(const std::vector<std::string>*) const { return "list of texts"; }
  const char* operator()(const std::optional<std::int64_t>*) const { return "null or integer"; }
  const char* operator()(const std::optional<double>*) const { return "null or number"; }
};

}  // namespace

std::string Range::str() const {
  const bool bounded_below = std::isfinite(lo), bounded_above = std::isfinite(hi);
  if (bounded_below && bounded_above) return fmt::format("in {}{}, {}]", lo_open ? '(' : '[', lo, hi);
  if (bounded_below) return fmt::format("{} {}", lo_open ? ">" : ">=", lo);
  return bounded_above ? fmt::format("<= {}", hi) : "";
}

std::string type_text(const Field& field) {
  if (!field.options.empty()) return fmt::format("one of {}", join(field.options, ", "));
  const std::string range = field.range.str();
  return std::visit(TypeName{}, field.value) + (range.empty() ? "" : " " + range);
}

}  // namespace saltus
