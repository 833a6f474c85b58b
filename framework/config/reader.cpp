#include "config/reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "config/scalars.h"
#include "config/tree.h"
#include "config/words.h"
#include "core/check.h"

namespace saltus {
namespace {

using Kind = ConfigNode::Kind;

std::string joined(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

/// What the whole reading gathers: the listed keys, for telling and mending unknown ones, and the first broken rule.
struct Findings {
  struct Key {
    std::string path;
    bool is_section;
  };
  std::vector<Key> listed;
  std::string broken_rule;
  Place broken_at;

  void add(const std::string& path, bool is_section) {
    check(find(path) == nullptr, "config: the key '{}' is listed twice", path);
    listed.push_back({path, is_section});
  }
  const Key* find(const std::string& path) const {
    const auto key = std::ranges::find(listed, path, &Key::path);
    return key == listed.end() ? nullptr : &*key;
  }
  /// The listed keys directly below `section`, by their own names.
  std::vector<std::string> keys_in(const std::string& section) const {
    const std::size_t prefix = section.empty() ? 0 : section.size() + 1;
    std::vector<std::string> keys;
    for (const Key& key : listed) {
      const bool below = section.empty() || key.path.starts_with(section + ".");
      if (below && key.path.find('.', prefix) == std::string::npos) keys.push_back(key.path.substr(prefix));
    }
    return keys;
  }
};

[[noreturn]] void fail_value(const Place& place, const std::string& path, const std::string& message) {
  // An override shows its key already.
  const bool named = place.source->is_override && place.source->key == path;
  fail_at(place, named ? message : fmt::format("{}: {}", path, message));
}

/// Only notes which keys a list holds: those below an optional section that is absent.
class KeyNoter final : public Fields {
 public:
  KeyNoter(std::string path, Findings& findings) : path_(std::move(path)), findings_(findings) {}
  using Fields::section;
  void section(const char* key, const char*, const std::function<void(Fields&)>& list) override {
    findings_.add(joined(path_, key), true);
    KeyNoter inner(joined(path_, key), findings_);
    list(inner);
  }
  void optional_section(const char* key, bool&, const char* doc, const std::function<void(Fields&)>& list) override {
    section(key, doc, list);
  }
  void require(bool, const char*, const std::string&) override {}

 protected:
  void visit(const Field& field) override { findings_.add(joined(path_, field.key), false); }

 private:
  std::string path_;
  Findings& findings_;
};

/// Assigns a node to the value of a field. Throws std::invalid_argument with what is wrong, without the place.
struct Assign {
  const ConfigNode& node;
  const Field& field;

  void operator()(bool* x) const { *x = boolean_of(node); }
  void operator()(std::int64_t* x) const {
    const std::int64_t value = integer_of(node);
    check_range(static_cast<double>(value));
    *x = value;
  }
  void operator()(double* x) const {
    const double value = number_of(node);
    check_range(value);
    *x = value;
  }
  void operator()(std::string* x) const {
    const std::string value = text_of(node);
    const bool allowed = field.options.empty() || std::ranges::find(field.options, value) != field.options.end();
    if (!allowed) {
      throw std::invalid_argument(
          fmt::format("must be {}, got '{}'{}", type_text(field), value, did_you_mean(value, field.options)));
    }
    *x = value;
  }
  template <class T>
  void operator()(std::optional<T>* x) const {
    T value{};
    if (node.kind != Kind::null) (*this)(&value);
    *x = node.kind == Kind::null ? std::nullopt : std::optional<T>(value);
  }

  void check_range(double value) const {
    if (!field.range.contains(value)) {
      throw std::invalid_argument(fmt::format("must be {}, got {}", field.range.str(), node.text));
    }
  }
};

template <class T>
constexpr bool is_list = false;
template <class T>
constexpr bool is_list<std::vector<T>*> = true;

void assign_list(const ConfigNode& node, const Field& field, const std::string& path, auto& list) {
  if (node.kind != Kind::list) {
    fail_value(node.place, path, fmt::format("expected a {}, got {} (write [a, b, c])", type_text(field), shown(node)));
  }
  std::remove_reference_t<decltype(list)> values(node.items.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    try {
      Assign{node.items[i], field}(&values[i]);
    } catch (const std::invalid_argument& e) {
      fail_value(node.items[i].place, path, fmt::format("item {}: {}", i + 1, e.what()));
    }
  }
  list = std::move(values);
}

class Reader final : public Fields {
 public:
  /// Reads the mapping `node`, or nothing where it is null.
  Reader(const ConfigNode* node, Place place, std::string path, Findings& findings)
      : node_(node), place_(std::move(place)), path_(std::move(path)), findings_(findings) {}

  using Fields::section;
  void section(const char* key, const char*, const std::function<void(Fields&)>& list) override {
    findings_.add(joined(path_, key), true);
    const ConfigEntry* entry = find(key);
    if (entry) expect_mapping(*entry, "");
    read_section(key, entry, list);
  }
  void optional_section(const char* key, bool& present, const char*,
                        const std::function<void(Fields&)>& list) override {
    const ConfigEntry* entry = find(key);
    if (entry) present = entry->value.kind != Kind::null;
    findings_.add(joined(path_, key), true);
    if (entry && present) expect_mapping(*entry, " or null");
    if (present) {
      read_section(key, entry, list);
    } else {
      KeyNoter noter(joined(path_, key), findings_);
      list(noter);
    }
  }
  void require(bool ok, const char* key, const std::string& message) override {
    if (ok || !findings_.broken_rule.empty()) return;
    findings_.broken_rule = fmt::format("{}: {}", joined(path_, key), message);
    findings_.broken_at = nearest_place(key);
  }

 protected:
  void visit(const Field& field) override {
    const std::string path = joined(path_, field.key);
    findings_.add(path, false);
    const ConfigEntry* entry = find(field.key);
    if (!entry) return require_choice(field, path);
    std::visit(
        [&](auto* value) {
          if constexpr (is_list<decltype(value)>) {
            assign_list(entry->value, field, path, *value);
          } else {
            try {
              Assign{entry->value, field}(value);
            } catch (const std::invalid_argument& e) {
              fail_value(entry->value.place, path, e.what());
            }
          }
        },
        field.value);
  }

 private:
  const ConfigEntry* find(std::string_view key) const { return node_ ? node_->find(key) : nullptr; }

  void expect_mapping(const ConfigEntry& entry, const char* or_what) const {
    if (entry.value.kind == Kind::mapping) return;
    fail_value(entry.value.place, joined(path_, entry.key),
               fmt::format("expected a mapping of keys{}, got {}", or_what, shown(entry.value)));
  }

  void read_section(const char* key, const ConfigEntry* entry, const std::function<void(Fields&)>& list) {
    Reader inner(entry ? &entry->value : nullptr, entry ? entry->place : place_, joined(path_, key), findings_);
    list(inner);
  }

  /// A choice without a usable default must be given. Its misspelt key is the likely reason if it is not.
  void require_choice(const Field& field, const std::string& path) const {
    if (field.options.empty() ||
        std::ranges::find(field.options, *std::get<std::string*>(field.value)) != field.options.end()) {
      return;
    }
    for (const ConfigEntry& other : node_ ? node_->entries : std::vector<ConfigEntry>{}) {
      if (likely_typo(field.key, edit_distance(field.key, other.key)) && !findings_.find(joined(path_, other.key))) {
        fail_at(other.place, fmt::format("unknown key '{}' (did you mean '{}'?)", other.key, field.key));
      }
    }
    fail_at(place_, fmt::format("the key '{}' is missing: {}", path, type_text(field)));
  }

  /// Where a dotted path stands; for a key left at its default, the section around it.
  Place nearest_place(std::string_view key) const {
    const ConfigNode* node = node_;
    Place place = place_;
    while (node && !key.empty()) {
      const std::size_t dot = key.find('.');
      const ConfigEntry* entry = node->find(key.substr(0, dot));
      if (!entry) break;
      node = &entry->value;
      place = node->kind == Kind::mapping ? entry->place : node->place;
      key = dot == std::string_view::npos ? "" : key.substr(dot + 1);
    }
    return place;
  }

  const ConfigNode* node_;
  Place place_;  // of the section's key; of the source as a whole at the top
  std::string path_;
  Findings& findings_;
};

struct UnknownKey {
  std::string section;
  const ConfigEntry* entry;
};

void gather_unknown(const ConfigNode& mapping, const std::string& section, const Findings& findings,
                    std::vector<UnknownKey>& unknown) {
  for (const ConfigEntry& entry : mapping.entries) {
    const std::string path = joined(section, entry.key);
    const Findings::Key* listed = findings.find(path);
    if (!listed || entry.key.find('.') != std::string::npos) {
      unknown.push_back({section, &entry});
    } else if (listed->is_section && entry.value.kind == Kind::mapping) {
      gather_unknown(entry.value, path, findings, unknown);
    }
  }
}

/// The best guess at what was meant: a listed key of the same name elsewhere, or one nearly of that name, here rather
/// than elsewhere.
std::string suggestion(const UnknownKey& unknown, const Findings& findings) {
  const std::string& word = unknown.entry->key;
  const std::string path = joined(unknown.section, word);
  if (word.find('.') != std::string::npos && findings.find(path)) {
    return fmt::format(" (in a file, '{}' goes below '{}:')", word.substr(word.rfind('.') + 1),
                       path.substr(0, path.rfind('.')));
  }
  const Findings::Key* best = nullptr;
  std::size_t best_cost = std::numeric_limits<std::size_t>::max();
  for (const Findings::Key& key : findings.listed) {
    const std::string name = key.path.substr(key.path.rfind('.') + 1);
    const bool here = joined(unknown.section, name) == key.path;
    const std::size_t distance = edit_distance(word, name);
    const std::size_t cost = 2 * distance + (here ? 0 : 1);
    if (likely_typo(word, distance) && cost < best_cost) {
      best = &key;
      best_cost = cost;
    }
  }
  if (best) {
    const bool here = joined(unknown.section, best->path.substr(best->path.rfind('.') + 1)) == best->path;
    const bool whole_path = !here || unknown.entry->place.source->is_override;
    const bool up = !here && best->path.find('.') == std::string::npos;
    return fmt::format(" (did you mean '{}'{}?)",
                       whole_path ? best->path : best->path.substr(best->path.rfind('.') + 1),
                       up ? " at the top level" : "");
  }
  return fmt::format("; the keys here are {}", join(findings.keys_in(unknown.section), ", "));
}

void refuse_unknown_keys(const ConfigNode& root, const Findings& findings) {
  std::vector<UnknownKey> unknown;
  gather_unknown(root, "", findings, unknown);
  if (unknown.empty()) return;
  const auto place = [](const UnknownKey& u) -> const Place& { return u.entry->place; };
  const UnknownKey& first =
      *std::ranges::min_element(unknown, [&](const auto& a, const auto& b) { return place(a) < place(b); });
  const Place& at = place(first);
  const std::string name = at.source->is_override ? joined(first.section, first.entry->key) : first.entry->key;
  if (name == "inherit" && !at.source->is_override) {
    fail_at(at, "'inherit' works only at the top level of a file");
  }
  if (name == "sweep" || name.starts_with("sweep.")) {
    fail_at(at, "'sweep' describes many runs: `saltus sweep run` trains them");
  }
  fail_at(at, fmt::format("unknown key '{}'{}", name, suggestion(first, findings)));
}

}  // namespace

void read_config_tree(const ConfigNode& root, const std::function<void(Fields&)>& list) {
  Findings findings;
  Reader reader(&root, Place{root.place.source}, "", findings);
  list(reader);
  refuse_unknown_keys(root, findings);
  if (!findings.broken_rule.empty()) fail_at(findings.broken_at, findings.broken_rule);
}

void read_config(const std::string& path, std::span<const Override> overrides,
                 const std::function<void(Fields&)>& list) {
  read_config_tree(read_tree(path, overrides), list);
}

void read_config_text(const std::string& name, std::string_view yaml, std::span<const Override> overrides,
                      const std::function<void(Fields&)>& list) {
  read_config_tree(read_tree(name, yaml, overrides), list);
}

}  // namespace saltus
