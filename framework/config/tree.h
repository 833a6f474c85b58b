#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/source.h"

namespace saltus {

struct ConfigEntry;
struct Override;

/// A config as it was written, before anything is known about its keys. Every part remembers where it came from.
struct ConfigNode {
  enum class Kind { null, scalar, list, mapping };
  Kind kind = Kind::null;
  Place place;
  std::string text;        // of a scalar
  bool in_quotes = false;  // a scalar in quotes is a text, whatever it looks like
  std::vector<ConfigNode> items;
  std::vector<ConfigEntry> entries;

  ConfigNode() = default;
  ConfigNode(Kind kind_, Place place_, std::string text_ = {}, bool in_quotes_ = false);
  const ConfigEntry* find(std::string_view key) const;
};

struct ConfigEntry {
  std::string key;
  Place place;  // of the key
  ConfigNode value;
};

/// Reads the file at `path` (or `bytes`, taken as that file's content), merges it over the files that it inherits from
/// and applies the overrides in order; a later value replaces an earlier one and mappings merge key by key.
ConfigNode read_tree(const std::string& path, std::span<const Override> overrides);
ConfigNode read_tree(const std::string& path, std::string_view bytes, std::span<const Override> overrides);

/// The value that an override gives, its place in a source of the given order. Lists, mappings and quoted texts are YAML; anything else
/// stands for itself, so that `run.name=a: #1` needs no quotes.
ConfigNode override_value(const Override& change, int order);

/// Lays `value` on the tree at a dotted path, given at `place`, as an override is.
void set_at(ConfigNode& root, std::string_view path, const Place& place, ConfigNode value);

}  // namespace saltus
