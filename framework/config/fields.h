#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace saltus {

/// Legal values of a number: lo..hi, each end closed unless said otherwise.
struct Range {
  double lo = -std::numeric_limits<double>::infinity();
  double hi = std::numeric_limits<double>::infinity();
  bool lo_open = false;
  bool contains(double x) const { return (lo_open ? x > lo : x >= lo) && x <= hi; }
  /// ">= 1", "> 0", "in [0, 1]"
  std::string str() const;
};
inline Range at_least(double lo) { return {.lo = lo}; }
inline Range above(double lo) { return {.lo = lo, .lo_open = true}; }
inline Range between(double lo, double hi) { return {.lo = lo, .hi = hi}; }

/// A config struct lists its keys once, in `void fields(Fields& f)`; each visitor gives that list another use: reading YAML and
/// overrides (reader.h), printing the resolved config (writer.h), and the reference page of `saltus describe` (describe.h).
///
///     struct Optimizer {
///       std::string kind = "sgd";
///       double learning_rate = 0.01;
///       void fields(Fields& f) {
///         f.choice("kind", kind, {"sgd", "adam"}, "update rule");
///         f.field("learning_rate", learning_rate, "step size", above(0));
///       }
///     };
class Fields {
 public:
  virtual ~Fields() = default;

  virtual void field(const char* key, bool& value, const char* doc) = 0;
  virtual void field(const char* key, std::int64_t& value, const char* doc, Range range = {}) = 0;
  virtual void field(const char* key, double& value, const char* doc, Range range = {}) = 0;
  virtual void field(const char* key, std::string& value, const char* doc) = 0;
  virtual void field(const char* key, std::vector<std::int64_t>& value, const char* doc, Range range = {}) = 0;
  virtual void field(const char* key, std::vector<double>& value, const char* doc, Range range = {}) = 0;
  virtual void field(const char* key, std::vector<std::string>& value, const char* doc) = 0;
  /// An absent value is written `null`.
  virtual void field(const char* key, std::optional<std::int64_t>& value, const char* doc, Range range = {}) = 0;
  virtual void field(const char* key, std::optional<double>& value, const char* doc, Range range = {}) = 0;
  /// A word out of a fixed list.
  virtual void choice(const char* key, std::string& value, std::vector<std::string> options, const char* doc) = 0;

  /// A nested mapping; `list` lists its keys.
  virtual void section(const char* key, const char* doc, const std::function<void(Fields&)>& list) = 0;
  /// A nested mapping that may be absent (`null`): `present` says and takes whether it is there.
  virtual void optional_section(const char* key, bool& present, const char* doc, const std::function<void(Fields&)>& list) = 0;

  /// A rule between keys, listed after them: when reading, a broken one is an error at `key`'s place in the file (a dotted path
  /// relative to the current section). `message` says what was wrong and what is allowed, with the values.
  virtual void require(bool ok, const char* key, const std::string& message) = 0;

  template <class Struct>
  void section(const char* key, Struct& s, const char* doc) {
    section(key, doc, [&s](Fields& inner) { s.fields(inner); });
  }
  template <class Struct>
  void section(const char* key, std::optional<Struct>& s, const char* doc) {
    bool present = s.has_value();
    Struct value = s.value_or(Struct{});
    optional_section(key, present, doc, [&value](Fields& inner) { value.fields(inner); });
    s = present ? std::optional<Struct>(value) : std::nullopt;
  }
};

}  // namespace saltus
