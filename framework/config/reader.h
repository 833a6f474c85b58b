#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"

namespace saltus {

struct ConfigNode;  // tree.h

/// One value given outside the file. `origin` opens every message about it: "<command line>: override 2
/// 'model.n_heads=2'".
struct Override {
  std::string key;    // path.to.key
  std::string value;  // as in YAML; a text needs no quotes
  std::string origin;
};

/// Takes `path.to.key=value`, `--path.to.key=value` and `--path.to.key value`, in any mix. Throws Error (bad_input)
/// naming the argument that is none of these.
std::vector<Override> parse_overrides(std::span<const std::string> args);

/// Reads the YAML file at `path`, the files that its `inherit:` names (paths relative to it; later ones win, the file
/// itself wins over all) and then the overrides, the last word on a key counting. Values are assigned while `list`
/// runs, in its order, so a list may read `system` and then choose which sections to list; keys without a value keep
/// what they hold. Throws Error (bad_input) with one message that names the place: a wrong value as soon as it is met;
/// when the list is through, the first key that nothing listed; then the first broken rule.
void read_config(const std::string& path, std::span<const Override> overrides,
                 const std::function<void(Fields&)>& list);

/// As read_config, for a text that is already in memory; `name` stands for the path.
void read_config_text(const std::string& name, std::string_view yaml, std::span<const Override> overrides,
                      const std::function<void(Fields&)>& list);

/// As read_config, for a tree (tree.h) that its caller has changed: every message still names the place a value came from.
void read_config_tree(const ConfigNode& root, const std::function<void(Fields&)>& list);

}  // namespace saltus
