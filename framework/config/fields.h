#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
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

/// Where the value of one key lives: every type that a key can have.
using Slot = std::variant<bool*, std::int64_t*, double*, std::string*, std::vector<std::int64_t>*, std::vector<double>*,
                          std::vector<std::string>*, std::optional<std::int64_t>*, std::optional<double>*>;

/// One key as a visitor meets it.
struct Field {
  std::string key;
  std::string doc;
  Slot value;
  Range range = {};                       // of a number, or of every number in a list
  std::vector<std::string> options = {};  // of a choice; empty for any other key
};

/// "integer >= 1", "list of numbers", "one of sgd, adam": what the key takes, as messages and the reference page say
/// it.
std::string type_text(const Field& field);

/// A config struct lists its keys once, in `void fields(Fields& f)`; each visitor gives that list another use: reading
/// YAML and overrides (reader.h), printing the resolved config (writer.h), and the reference page of `saltus describe`
/// (describe.h).
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

  void field(const char* key, bool& value, const char* doc) { visit({key, doc, &value}); }
  void field(const char* key, std::string& value, const char* doc) { visit({key, doc, &value}); }
  void field(const char* key, std::vector<std::string>& value, const char* doc) { visit({key, doc, &value}); }
  void field(const char* key, std::int64_t& value, const char* doc, Range range = {}) {
    visit({key, doc, &value, range});
  }
  void field(const char* key, double& value, const char* doc, Range range = {}) { visit({key, doc, &value, range}); }
  void field(const char* key, std::vector<std::int64_t>& value, const char* doc, Range range = {}) {
    visit({key, doc, &value, range});
  }
  void field(const char* key, std::vector<double>& value, const char* doc, Range range = {}) {
    visit({key, doc, &value, range});
  }
  /// An absent value is written `null`.
  void field(const char* key, std::optional<std::int64_t>& value, const char* doc, Range range = {}) {
    visit({key, doc, &value, range});
  }
  void field(const char* key, std::optional<double>& value, const char* doc, Range range = {}) {
    visit({key, doc, &value, range});
  }
  /// A word out of a fixed list. A default that is not in the list makes the key one that must be given.
  void choice(const char* key, std::string& value, std::vector<std::string> options, const char* doc) {
    visit({key, doc, &value, {}, std::move(options)});
  }

  /// A nested mapping; `list` lists its keys.
  virtual void section(const char* key, const char* doc, const std::function<void(Fields&)>& list) = 0;
  /// A nested mapping that may be absent (`null`): `present` says and takes whether it is there.
  virtual void optional_section(const char* key, bool& present, const char* doc,
                                const std::function<void(Fields&)>& list) = 0;

  /// A rule between keys, listed after them: when reading, a broken one is an error at `key`'s place in the file (a
  /// dotted path relative to the current section). `message` says what was wrong and what is allowed, with the values.
  /// It is reported when the whole list has been visited and holds no unknown key, since a misspelt key is often what
  /// broke the rule.
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

 protected:
  virtual void visit(const Field& field) = 0;
};

}  // namespace saltus
