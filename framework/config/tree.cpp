#include "config/tree.h"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "config/reader.h"
#include "config/scalars.h"
#include "config/words.h"
#include "config/yaml.h"

namespace saltus {
namespace {

using Kind = ConfigNode::Kind;

/// Lays `over` on `base`: mappings merge key by key, everything else is replaced.
void merge(ConfigNode& base, ConfigNode over) {
  if (base.kind != Kind::mapping || over.kind != Kind::mapping) {
    base = std::move(over);
    return;
  }
  for (ConfigEntry& entry : over.entries) {
    const auto same = std::ranges::find(base.entries, entry.key, &ConfigEntry::key);
    if (same == base.entries.end()) {
      base.entries.push_back(std::move(entry));
    } else {
      same->place = entry.place;
      merge(same->value, std::move(entry.value));
    }
  }
}

class Loader {
 public:
  ConfigNode file(const std::string& path, const Place* asked_at) {
    return text(path, read_text(path, asked_at), asked_at);
  }

  ConfigNode text(const std::string& path, std::string_view bytes, const Place* asked_at) {
    const std::string identity = std::filesystem::weakly_canonical(path).string();
    open_paths_.push_back(path);
    if (std::ranges::count(open_files_, identity) > 0) {
      fail_at(*asked_at, fmt::format("inherit goes in a circle: {}", join(open_paths_, " -> ")));
    }
    open_files_.push_back(identity);
    ConfigNode node = parse_yaml(file_source(path, bytes, order_++));
    if (node.kind == Kind::null) fail_at({node.place.source}, "the file is empty: a config needs at least one key");
    if (node.kind != Kind::mapping) {
      const bool colon_without_blank = node.kind == Kind::scalar && node.text.find(':') != std::string::npos;
      fail_at(node.place, fmt::format("expected keys and values ('key: value'), got {}{}", shown(node),
                                      colon_without_blank ? " (put a space after the ':')" : ""));
    }
    node = with_inherited(std::move(node), path);
    open_files_.pop_back();
    open_paths_.pop_back();
    return node;
  }

  void apply(const Override& change, ConfigNode& root) {
    ConfigNode value = override_value(change, order_++);
    const Place place{value.place.source};
    set_at(root, change.key, place, std::move(value));
  }

 private:
  ConfigNode with_inherited(ConfigNode node, const std::string& path) {
    const auto entry = std::ranges::find(node.entries, "inherit", &ConfigEntry::key);
    if (entry == node.entries.end()) return node;
    const ConfigNode inherit = std::move(entry->value);
    node.entries.erase(entry);
    const bool is_list = inherit.kind == Kind::list;
    ConfigNode merged(Kind::mapping, node.place);
    for (const ConfigNode& name : is_list ? inherit.items : std::vector<ConfigNode>{inherit}) {
      if (name.kind != Kind::scalar || name.text.empty()) {
        fail_at(name.place, fmt::format("inherit: expected a file or a list of files, got {}", shown(name)));
      }
      const std::filesystem::path base = std::filesystem::path(path).parent_path() / name.text;
      merge(merged, file(base.lexically_normal().string(), &name.place));
    }
    merge(merged, std::move(node));
    return merged;
  }

  std::vector<std::string> open_files_;  // the chain of files being read, to find circles
  std::vector<std::string> open_paths_;  // the same as the user spelt them
  int order_ = 0;
};

ConfigNode overridden(Loader& loader, ConfigNode root, std::span<const Override> overrides) {
  for (const Override& change : overrides) loader.apply(change, root);
  return root;
}

}  // namespace

ConfigNode::ConfigNode(Kind kind_, Place place_, std::string text_, bool in_quotes_)
    : kind(kind_), place(std::move(place_)), text(std::move(text_)), in_quotes(in_quotes_) {}

const ConfigEntry* ConfigNode::find(std::string_view key) const {
  const auto entry = std::ranges::find(entries, key, &ConfigEntry::key);
  return entry == entries.end() ? nullptr : &*entry;
}

ConfigNode override_value(const Override& change, int order) {
  const auto source =
      std::make_shared<const Source>(Source{.name = change.origin, .text = change.value, .is_override = true, .key = change.key, .order = order});
  const std::string& text = source->text;
  if (!is_text(text)) fail_at({source}, "not a text in UTF-8");
  if (text.find_first_of("[{\"'") == 0) return parse_yaml(source);
  return {is_null_word(text) ? Kind::null : Kind::scalar, Place{source}, text};
}

void set_at(ConfigNode& root, std::string_view path, const Place& place, ConfigNode value) {
  std::string_view rest = path;
  while (true) {  // from the last part of the path outwards: a.b=1 is the tree {a: {b: 1}}
    const std::size_t dot = rest.rfind('.');
    const std::string_view part = rest.substr(dot == std::string_view::npos ? 0 : dot + 1);
    if (part.empty()) fail_at(place, fmt::format("'{}' is not a path of keys such as model.n_heads", path));
    ConfigNode outer(Kind::mapping, place);
    outer.entries.push_back({std::string(part), place, std::move(value)});
    value = std::move(outer);
    if (dot == std::string_view::npos) break;
    rest = rest.substr(0, dot);
  }
  merge(root, std::move(value));
}

ConfigNode read_tree(const std::string& path, std::span<const Override> overrides) {
  Loader loader;
  return overridden(loader, loader.file(path, nullptr), overrides);
}

ConfigNode read_tree(const std::string& path, std::string_view bytes, std::span<const Override> overrides) {
  Loader loader;
  return overridden(loader, loader.text(path, bytes, nullptr), overrides);
}

}  // namespace saltus
